//! The walk over all operations.

use crate::llb::{
    audit::{Escape, EscapeKind, ExecPolicy, Expected, Report},
    definition::Definition,
};

pub(super) fn audit(
    definition: &[u8],
    _: &Expected,
    _: &dyn ExecPolicy,
) -> Result<Report, Vec<Escape>> {
    let reason = match Definition::decode(definition) {
        Ok(_) => "no operation is accepted yet".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(vec![Escape {
        op: None,
        kind: EscapeKind::Malformed,
        reason,
        next: "report this".to_owned(),
        lines: Vec::new(),
    }])
}
