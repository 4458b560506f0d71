//! What a word can be before anything runs: texts with holes where nobody can tell, and a few of them where it depends.

use std::rc::Rc;

/// How many texts a value may have; where there are more, it is a hole.
const MAX_TEXTS: usize = 8;
/// How long a text may get.
const MAX_LENGTH: usize = 64 << 10;

/// A part that is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hole {
    /// For people: `${VARIABLE}` or `$(command)`.
    pub name: String,
    pub kind: HoleKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HoleKind {
    /// Anything.
    Any,
    /// It came from the network, by this file if it is one.
    Downloaded(Option<String>),
    /// Lines of a file that was there before.
    File(String),
    /// The hash of a file.
    Hash {
        algorithm: &'static str,
        file: Option<String>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Hole(Rc<Hole>),
}

/// One text, with its holes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text {
    pub pieces: Vec<Piece>,
}

impl Text {
    pub fn literal(text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            pieces: if text.is_empty() {
                Vec::new()
            } else {
                vec![Piece::Text(text)]
            },
        }
    }

    /// The text, if it has no holes.
    pub fn known(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    fn length(&self) -> usize {
        self.pieces.iter().fold(0, |sum, piece| {
            sum.saturating_add(match piece {
                Piece::Text(text) => text.len(),
                Piece::Hole(_) => 1,
            })
        })
    }

    pub fn push(&mut self, piece: &Piece) {
        match (self.pieces.last_mut(), piece) {
            (_, Piece::Text(more)) if more.is_empty() => {}
            (Some(Piece::Text(text)), Piece::Text(more)) => text.push_str(more),
            _ => self.pieces.push(piece.clone()),
        }
    }

    fn append(&mut self, other: &Self) {
        if self.length().saturating_add(other.length()) > MAX_LENGTH {
            *self = Self {
                pieces: vec![Piece::Hole(Rc::new(Hole {
                    name: "...".to_owned(),
                    kind: HoleKind::Any,
                }))],
            };
            return;
        }
        for piece in &other.pieces {
            self.push(piece);
        }
    }

    /// For people: holes by their names.
    pub fn shown(&self) -> String {
        self.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.clone(),
                Piece::Hole(hole) => hole.name.clone(),
            })
            .collect()
    }

    pub fn holes(&self) -> impl Iterator<Item = &Hole> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Hole(hole) => Some(&**hole),
            Piece::Text(_) => None,
        })
    }

    /// The literal that it begins with.
    pub fn prefix(&self) -> &str {
        match self.pieces.first() {
            Some(Piece::Text(text)) => text,
            _ => "",
        }
    }

    /// The literal that it ends with.
    pub fn suffix(&self) -> &str {
        match self.pieces.last() {
            Some(Piece::Text(text)) => text,
            _ => "",
        }
    }

    /// What is between white space, as a shell splits it.
    pub fn fields(&self) -> Vec<Self> {
        let mut fields = Vec::new();
        let mut current = Self::default();
        for piece in &self.pieces {
            match piece {
                Piece::Hole(_) => current.push(piece),
                Piece::Text(text) => {
                    let mut words = text.split([' ', '\t', '\n']);
                    if let Some(first) = words.next() {
                        current.push(&Piece::Text(first.to_owned()));
                    }
                    for word in words {
                        if !current.pieces.is_empty() {
                            fields.push(std::mem::take(&mut current));
                        }
                        current.push(&Piece::Text(word.to_owned()));
                    }
                }
            }
        }
        if !current.pieces.is_empty() {
            fields.push(current);
        }
        fields
    }

    /// Its lines.
    pub fn lines(&self) -> Vec<Self> {
        let mut lines = vec![Self::default()];
        for piece in &self.pieces {
            match piece {
                Piece::Hole(_) => {
                    if let Some(line) = lines.last_mut() {
                        line.push(piece);
                    }
                }
                Piece::Text(text) => {
                    for (index, part) in text.split('\n').enumerate() {
                        if index > 0 {
                            lines.push(Self::default());
                        }
                        if let Some(line) = lines.last_mut() {
                            line.push(&Piece::Text(part.to_owned()));
                        }
                    }
                }
            }
        }
        lines.retain(|line| !line.pieces.is_empty());
        lines
    }
}

/// Everything that a word can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    /// At least one.
    texts: Vec<Text>,
}

impl Default for Value {
    fn default() -> Self {
        Self {
            texts: vec![Text::default()],
        }
    }
}

impl Value {
    pub fn literal(text: impl Into<String>) -> Self {
        Self {
            texts: vec![Text::literal(text)],
        }
    }

    pub fn hole(name: impl Into<String>, kind: HoleKind) -> Self {
        let name = name.into();
        Self {
            texts: vec![Text {
                pieces: vec![Piece::Hole(Rc::new(Hole { name, kind }))],
            }],
        }
    }

    pub fn unknown(name: impl Into<String>) -> Self {
        Self::hole(name, HoleKind::Any)
    }

    pub fn of(texts: Vec<Text>) -> Self {
        let mut own: Vec<Text> = Vec::with_capacity(texts.len().min(MAX_TEXTS));
        for text in texts {
            if own.contains(&text) {
                continue;
            }
            if own.len() >= MAX_TEXTS {
                return Self::unknown("...");
            }
            own.push(text);
        }
        if own.is_empty() {
            own.push(Text::default());
        }
        Self { texts: own }
    }

    pub fn texts(&self) -> &[Text] {
        &self.texts
    }

    pub fn into_texts(self) -> Vec<Text> {
        self.texts
    }

    /// The text, if there is one and it has no holes.
    pub fn known(&self) -> Option<&str> {
        match self.texts.as_slice() {
            [one] => one.known(),
            _ => None,
        }
    }

    /// The first text for people; there is always one.
    pub fn shown(&self) -> String {
        self.texts.first().map(Text::shown).unwrap_or_default()
    }

    pub fn length(&self) -> usize {
        self.texts
            .iter()
            .fold(0, |sum, text| sum.saturating_add(text.length()))
    }

    pub fn downloaded(&self) -> bool {
        self.texts
            .iter()
            .flat_map(Text::holes)
            .any(|hole| matches!(hole.kind, HoleKind::Downloaded(_)))
    }

    /// What a text made of this one is, if nobody can tell its letters.
    pub fn kind(&self) -> HoleKind {
        let holes = || self.texts.iter().flat_map(Text::holes);
        let downloaded = holes().find(|hole| matches!(hole.kind, HoleKind::Downloaded(_)));
        downloaded
            .or_else(|| holes().find(|hole| hole.kind != HoleKind::Any))
            .map_or(HoleKind::Any, |hole| hole.kind.clone())
    }

    /// Both, one behind the other, in every combination.
    pub fn then(&self, other: &Self) -> Self {
        let mut texts = Vec::new();
        for first in &self.texts {
            for second in &other.texts {
                let mut text = first.clone();
                text.append(second);
                texts.push(text);
            }
        }
        if texts.len() > MAX_TEXTS && self.downloaded() | other.downloaded() {
            return Self::hole("...", HoleKind::Downloaded(None));
        }
        Self::of(texts)
    }

    /// Either.
    pub fn or(&self, other: &Self) -> Self {
        if self == other {
            return self.clone();
        }
        let texts = self.texts.iter().chain(&other.texts).cloned().collect();
        Self::of(texts)
    }

    /// Each text changed by `with`; a hole called `name` where that cannot tell.
    pub fn map(&self, name: &str, with: impl Fn(&Text) -> Option<Text>) -> Self {
        let mapped: Option<Vec<Text>> = self.texts.iter().map(with).collect();
        mapped.map_or_else(|| Self::hole(name, self.kind()), Self::of)
    }
}
