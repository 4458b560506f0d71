//! `RUN --mount=`, with variables expanded (BuildKit's `instructions/commands_runmount.go`).

use super::{MountKind, RunMount, checks};
use crate::dockerfile::{
    command::{csv, parse_bool},
    text,
};

/// `parseMount` with an expander.
pub(super) fn parse<E: From<String>>(
    value: &str,
    mut expand: impl FnMut(&str) -> Result<String, E>,
) -> Result<RunMount, E> {
    let refuse = |reason: String| Err(E::from(reason));
    let Some(fields) = csv::fields(value) else {
        return refuse(format!("cannot tell the fields of {value:?} apart"));
    };
    let mut kind = MountKind::Bind;
    let (mut from, mut source, mut target, mut id) =
        (String::new(), String::new(), String::new(), String::new());
    let mut read_only = None;
    let (mut env, mut sharing, mut owner) = (None, false, None);
    for field in fields {
        let (key, given) = match field.text.split_once('=') {
            Some((key, value)) => (text::lower(key), Some(expand(value)?)),
            None => (text::lower(&field.text), None),
        };
        let invalid = |value: &str| format!("invalid value for {key}: {value:?}");
        let only_for = |allowed: bool| {
            if allowed {
                Ok(())
            } else {
                Err(E::from(format!(
                    "unexpected key {key:?} for this type of mount"
                )))
            }
        };
        let Some(value) = given else {
            match key.as_str() {
                "readonly" | "ro" => read_only = Some(true),
                "readwrite" | "rw" => read_only = Some(false),
                "required" => only_for(matches!(kind, MountKind::Secret | MountKind::Ssh))?,
                _ => {
                    return refuse(format!(
                        "invalid field {:?}: must be a key=value pair",
                        field.text
                    ));
                }
            }
            continue;
        };
        let boolean = || parse_bool(&value).ok_or_else(|| E::from(invalid(&value)));
        let number = |radix| {
            let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
            match u32::from_str_radix(&value, radix) {
                Ok(_) if digits => Ok(()),
                _ => Err(E::from(invalid(&value))),
            }
        };
        match key.as_str() {
            "type" => {
                kind = match text::lower(&value).as_str() {
                    "bind" => MountKind::Bind,
                    "cache" => MountKind::Cache,
                    "tmpfs" => MountKind::Tmpfs,
                    "secret" => MountKind::Secret,
                    "ssh" => MountKind::Ssh,
                    _ => return refuse(format!("unsupported mount type {value:?}")),
                }
            }
            "from" => from = value,
            "source" | "src" => source = value,
            "target" | "dst" | "destination" => target = value,
            "readonly" | "ro" => read_only = Some(boolean()?),
            "readwrite" | "rw" => read_only = Some(!boolean()?),
            "required" => {
                only_for(matches!(kind, MountKind::Secret | MountKind::Ssh))?;
                boolean()?;
            }
            "size" => {
                only_for(kind == MountKind::Tmpfs)?;
                if !checks::is_size(&value) {
                    return refuse(invalid(&value));
                }
            }
            "id" => id = value,
            "sharing" => match text::lower(&value).as_str() {
                "shared" | "private" | "locked" => sharing = true,
                _ => return refuse(format!("unsupported sharing value {value:?}")),
            },
            "mode" => {
                number(8)?;
                owner = Some("mode");
            }
            "uid" => {
                number(10)?;
                owner = Some("uid");
            }
            "gid" => {
                number(10)?;
                owner = Some("gid");
            }
            "env" => env = Some(value),
            _ => return refuse(format!("unexpected key {key:?} in {:?}", field.text)),
        }
    }
    if let (MountKind::Bind | MountKind::Tmpfs, Some(key)) = (kind, owner) {
        return refuse(format!("{key} is not allowed for this type of mount"));
    }
    if kind == MountKind::Secret {
        if !from.is_empty() {
            return refuse("a secret mount has no from".to_owned());
        }
        if source.is_empty() && target.is_empty() && id.is_empty() {
            return refuse("a secret mount needs a source or a target".to_owned());
        }
        if !source.is_empty() && !id.is_empty() {
            return refuse("a secret mount has either source or id".to_owned());
        }
    }
    if sharing && kind != MountKind::Cache {
        return refuse("only a cache mount has sharing".to_owned());
    }
    let read_only = read_only.unwrap_or(!matches!(kind, MountKind::Cache | MountKind::Tmpfs));
    Ok(RunMount {
        kind,
        from,
        source,
        target,
        id,
        read_only,
        env,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(value: &str) -> Result<RunMount, String> {
        parse(value, |word| Ok::<_, String>(word.replace("$T", "cache")))
    }

    #[test]
    fn reads_mounts() {
        let mount = parsed("type=$T,id=x,target=/c,sharing=locked,uid=0,mode=0755").expect("valid");
        assert_eq!(
            (mount.kind, mount.id.as_str(), mount.read_only),
            (MountKind::Cache, "x", false)
        );
        let mount = parsed("FROM=a,dst=/d,rw=0").expect("valid");
        assert_eq!(
            (mount.kind, mount.from.as_str(), mount.target.as_str()),
            (MountKind::Bind, "a", "/d")
        );
        assert!(mount.read_only);
        assert!(!parsed("target=/d,rw").expect("valid").read_only);
        let secret = parsed("type=secret,id=x,env=A,required").expect("valid");
        assert_eq!(secret.env.as_deref(), Some("A"));
    }

    #[test]
    fn refuses_what_buildkit_refuses() {
        for value in [
            "type=x",
            "target",
            "size=1",
            "type=tmpfs,size=x",
            "type=bind,required",
            "required,type=secret,id=a",
            "uid=1",
            "type=cache,uid=x",
            "type=cache,uid=+1",
            "type=cache,mode=9",
            "type=secret",
            "type=secret,id=a,src=b",
            "type=secret,id=a,from=b",
            "type=secret,id=a,sharing=shared",
            "type=cache,sharing=x",
            "sharing=shared",
            "ro=2",
            "bogus=1",
            "a\"b",
        ] {
            assert!(parsed(value).is_err(), "{value}");
        }
    }
}
