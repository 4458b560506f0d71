//! Protocol buffers wire format, strictly.
//!
//! BuildKit's own decoder skips what it does not know and lets the last of two values win. An audit that
//! did the same would judge a different message than the one that runs, so here everything that
//! is not exactly one known value is an error: unknown field numbers, wrong wire types, a singular field
//! twice, varints longer than needed, values outside the type, text that is not UTF-8, bytes left over.
//!
//! There is no recursion on input: the message types nest to a fixed depth, because the one recursive message
//! (a definition inside a source map) stays bytes until somebody asks. Memory is bounded by
//! the input's length and by a [`Budget`] of nested values.
//!
//! The writer puts fields in ascending order with a oneof last and maps sorted by key, which is
//! what Go's deterministic marshalling does; so an operation made here has the digest BuildKit computes.

use std::{collections::BTreeMap, fmt};

/// What is wrong with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The bytes end inside a value.
    Truncated,
    /// A varint is longer than its value needs, or than 64 bits.
    Varint,
    /// A tag with field number 0 or above 2^29-1, or with a group or reserved wire type.
    Tag,
    /// The message has no such field.
    UnknownField,
    /// The field has another type; the number is the wire type found.
    WireType(u8),
    /// A singular field, a map key or a oneof is there twice.
    Duplicate,
    /// The number does not fit the field's type.
    Range,
    /// The enumeration has no such value.
    UnknownValue(i64),
    /// Text that is not UTF-8.
    Utf8,
    /// More bytes or more nested values than are read.
    TooLarge,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the bytes end inside a value"),
            Self::Varint => f.write_str("a number is not written in its shortest form"),
            Self::Tag => f.write_str("an invalid field number or wire type"),
            Self::UnknownField => f.write_str("an unknown field"),
            Self::WireType(found) => write!(f, "wire type {found} is not this field's"),
            Self::Duplicate => f.write_str("a single value is there twice"),
            Self::Range => f.write_str("the number does not fit"),
            Self::UnknownValue(value) => write!(f, "unknown value {value}"),
            Self::Utf8 => f.write_str("the text is not UTF-8"),
            Self::TooLarge => f.write_str("more data than is read"),
        }
    }
}

/// A [`Problem`] and where it is: message and field of `ops.proto`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct WireError {
    /// The message's name; empty while it is not known yet.
    pub message: &'static str,
    /// The field's name; empty for an unknown one.
    pub field: &'static str,
    /// The field's number; 0 if there is none yet.
    pub number: u32,
    /// What is wrong.
    pub problem: Problem,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message)?;
        if !self.field.is_empty() {
            write!(f, ".{}", self.field)?;
        }
        if self.number != 0 {
            write!(f, " (field {})", self.number)?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl From<Problem> for WireError {
    fn from(problem: Problem) -> Self {
        Self {
            message: "",
            field: "",
            number: 0,
            problem,
        }
    }
}

impl WireError {
    /// Names the place, unless an inner message already did.
    #[must_use]
    pub fn at(mut self, message: &'static str, field: &'static str, number: u32) -> Self {
        if self.message.is_empty() {
            self.message = message;
            self.field = field;
            self.number = number;
        }
        self
    }
}

/// How many nested values (messages, list elements, map entries) may still be read.
///
/// Two bytes of input can make a value of a few hundred bytes, so length alone does not bound memory.
#[derive(Debug)]
pub struct Budget {
    left: usize,
}

impl Budget {
    /// A budget of `values` nested values.
    #[must_use]
    pub fn new(values: usize) -> Self {
        Self { left: values }
    }

    fn take(&mut self) -> Result<(), WireError> {
        self.left = self.left.checked_sub(1).ok_or(Problem::TooLarge)?;
        Ok(())
    }
}

/// One value as it is on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1. No message here has such a field.
    Fixed64(u64),
    /// Wire type 2: text, bytes, a message, a packed list.
    Bytes(&'a [u8]),
    /// Wire type 5. No message here has such a field.
    Fixed32(u32),
}

impl<'a> Value<'a> {
    fn wire_type(self) -> u8 {
        match self {
            Self::Varint(_) => 0,
            Self::Fixed64(_) => 1,
            Self::Bytes(_) => 2,
            Self::Fixed32(_) => 5,
        }
    }

    fn varint(self) -> Result<u64, WireError> {
        match self {
            Self::Varint(number) => Ok(number),
            other => Err(Problem::WireType(other.wire_type()).into()),
        }
    }

    fn bytes(self) -> Result<&'a [u8], WireError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            other => Err(Problem::WireType(other.wire_type()).into()),
        }
    }

    fn text(self) -> Result<String, WireError> {
        let text = std::str::from_utf8(self.bytes()?).map_err(|_| Problem::Utf8)?;
        Ok(text.to_owned())
    }
}

/// Reads tags and values one after the other.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next varint, which must be in its shortest form.
    ///
    /// # Errors
    /// [`Problem::Truncated`] or [`Problem::Varint`].
    pub fn varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0_u64;
        for index in 0..10_u32 {
            let (&byte, rest) = self.rest.split_first().ok_or(Problem::Truncated)?;
            self.rest = rest;
            let low = u64::from(byte & 0x7f);
            if index == 9 && byte > 1 || index > 0 && byte == 0 {
                return Err(Problem::Varint.into());
            }
            value |= low << (7 * index);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Problem::Varint.into())
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let (head, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(Problem::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let mut array = [0; N];
        for (to, from) in array.iter_mut().zip(self.take(N)?) {
            *to = *from;
        }
        Ok(array)
    }

    /// The next field number and value, or `None` at the end.
    ///
    /// # Errors
    /// Whatever keeps the bytes from being a tag and its value.
    pub fn field(&mut self) -> Result<Option<(u32, Value<'a>)>, WireError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = u32::try_from(self.varint()?).map_err(|_| Problem::Tag)?;
        let number = tag >> 3;
        if number == 0 {
            return Err(Problem::Tag.into());
        }
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Problem::Truncated)?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(Problem::Tag.into()),
        };
        Ok(Some((number, value)))
    }
}

/// Appends `value` as a varint.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a tag and a varint.
pub fn put_number(out: &mut Vec<u8>, number: u32, value: u64) {
    put_varint(out, u64::from(number) << 3);
    put_varint(out, value);
}

/// Appends a tag and length-delimited bytes.
pub fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_varint(out, u64::from(number) << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A message type: fixed fields, nothing else.
pub trait Message: Default {
    /// Its name in `ops.proto`.
    const NAME: &'static str;

    /// Takes one field; `first` is whether its number was not there before.
    ///
    /// # Errors
    /// Anything but exactly one valid value.
    fn set(
        &mut self,
        number: u32,
        value: Value<'_>,
        first: bool,
        budget: &mut Budget,
    ) -> Result<(), WireError>;

    /// Appends the fields.
    fn write(&self, out: &mut Vec<u8>);
}

/// Reads a whole message.
///
/// # Errors
/// Anything in `bytes` that the message does not define.
pub fn decode<M: Message>(bytes: &[u8], budget: &mut Budget) -> Result<M, WireError> {
    let mut message = M::default();
    let mut seen = 0_u64;
    let mut reader = Reader::new(bytes);
    while let Some((number, value)) = reader.field().map_err(|error| error.at(M::NAME, "", 0))? {
        // Numbers above 63 are in no message here, so that no bit is unknown, never a second one.
        let bit = 1_u64.checked_shl(number).unwrap_or(0);
        message.set(number, value, seen & bit == 0, budget)?;
        seen |= bit;
    }
    Ok(message)
}

/// Writes a whole message.
#[must_use]
pub fn encode<M: Message>(message: &M) -> Vec<u8> {
    let mut out = Vec::new();
    message.write(&mut out);
    out
}

/// The type of a field.
pub trait Field {
    /// Takes one value.
    ///
    /// # Errors
    /// A second value of a singular field, or one outside the type.
    fn read(&mut self, value: Value<'_>, first: bool, budget: &mut Budget)
    -> Result<(), WireError>;

    /// Appends it; a default value is left out, as proto3 does.
    fn write(&self, number: u32, out: &mut Vec<u8>);
}

/// A oneof: an enumeration with one variant for each field.
pub trait Oneof: Sized {
    /// The value of field `number`; `None` if the oneof has no such field.
    ///
    /// # Errors
    /// As for any field.
    fn read(number: u32, value: Value<'_>, budget: &mut Budget) -> Option<Result<Self, WireError>>;

    /// Appends it, also if it is a default value.
    fn write(&self, out: &mut Vec<u8>);
}

/// A single value; what fields, list elements, map values and oneof members are made of.
pub trait Scalar: Sized {
    /// The value on the wire.
    ///
    /// # Errors
    /// Another wire type, or a number or text outside the type.
    fn scalar(value: Value<'_>, budget: &mut Budget) -> Result<Self, WireError>;

    /// Appends it, also if it is a default value.
    fn put(&self, number: u32, out: &mut Vec<u8>);
}

macro_rules! number {
    ($($type:ty, $from:expr, $to:expr);+ $(;)?) => {$(
        impl Scalar for $type {
            fn scalar(value: Value<'_>, _: &mut Budget) -> Result<Self, WireError> {
                let from: fn(u64) -> Option<$type> = $from;
                Ok(from(value.varint()?).ok_or(Problem::Range)?)
            }

            fn put(&self, number: u32, out: &mut Vec<u8>) {
                let to: fn($type) -> u64 = $to;
                put_number(out, number, to(*self));
            }
        }

        impl Field for $type {
            fn read(&mut self, value: Value<'_>, first: bool, budget: &mut Budget) -> Result<(), WireError> {
                single(self, value, first, budget)
            }

            fn write(&self, number: u32, out: &mut Vec<u8>) {
                if *self != <$type>::default() {
                    self.put(number, out);
                }
            }
        }
    )+};
}

number! {
    u64, Some, |value| value;
    i64, |value| Some(value.cast_signed()), i64::cast_unsigned;
    u32, |value| u32::try_from(value).ok(), u64::from;
    // A negative int32 is written as the ten bytes of the same int64.
    i32, |value| i32::try_from(value.cast_signed()).ok(), |value| i64::from(value).cast_unsigned();
    bool, |value| match value { 0 => Some(false), 1 => Some(true), _ => None }, u64::from;
}

/// Reads a singular field.
///
/// # Errors
/// [`Problem::Duplicate`] if it is not the first, else as [`Scalar::scalar`].
pub fn single<S: Scalar>(
    to: &mut S,
    value: Value<'_>,
    first: bool,
    budget: &mut Budget,
) -> Result<(), WireError> {
    if !first {
        return Err(Problem::Duplicate.into());
    }
    *to = S::scalar(value, budget)?;
    Ok(())
}

impl Scalar for String {
    fn scalar(value: Value<'_>, _: &mut Budget) -> Result<Self, WireError> {
        value.text()
    }

    fn put(&self, number: u32, out: &mut Vec<u8>) {
        put_bytes(out, number, self.as_bytes());
    }
}

impl Field for String {
    fn read(
        &mut self,
        value: Value<'_>,
        first: bool,
        budget: &mut Budget,
    ) -> Result<(), WireError> {
        single(self, value, first, budget)
    }

    fn write(&self, number: u32, out: &mut Vec<u8>) {
        if !self.is_empty() {
            self.put(number, out);
        }
    }
}

/// The type `bytes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub Vec<u8>);

impl Scalar for Bytes {
    fn scalar(value: Value<'_>, _: &mut Budget) -> Result<Self, WireError> {
        Ok(Self(value.bytes()?.to_vec()))
    }

    fn put(&self, number: u32, out: &mut Vec<u8>) {
        put_bytes(out, number, &self.0);
    }
}

impl Field for Bytes {
    fn read(
        &mut self,
        value: Value<'_>,
        first: bool,
        budget: &mut Budget,
    ) -> Result<(), WireError> {
        single(self, value, first, budget)
    }

    fn write(&self, number: u32, out: &mut Vec<u8>) {
        if !self.0.is_empty() {
            self.put(number, out);
        }
    }
}

impl<M: Message> Scalar for M {
    fn scalar(value: Value<'_>, budget: &mut Budget) -> Result<Self, WireError> {
        budget.take()?;
        decode(value.bytes()?, budget)
    }

    fn put(&self, number: u32, out: &mut Vec<u8>) {
        put_bytes(out, number, &encode(self));
    }
}

fn set_once<S: Scalar>(
    to: &mut Option<S>,
    value: Value<'_>,
    budget: &mut Budget,
) -> Result<(), WireError> {
    match to.replace(S::scalar(value, budget)?) {
        None => Ok(()),
        Some(_) => Err(Problem::Duplicate.into()),
    }
}

impl<S: Scalar> Field for Option<S> {
    fn read(&mut self, value: Value<'_>, _: bool, budget: &mut Budget) -> Result<(), WireError> {
        set_once(self, value, budget)
    }

    fn write(&self, number: u32, out: &mut Vec<u8>) {
        if let Some(value) = self {
            value.put(number, out);
        }
    }
}

impl<S: Scalar> Field for Vec<S> {
    fn read(&mut self, value: Value<'_>, _: bool, budget: &mut Budget) -> Result<(), WireError> {
        budget.take()?;
        self.push(S::scalar(value, budget)?);
        Ok(())
    }

    fn write(&self, number: u32, out: &mut Vec<u8>) {
        for value in self {
            value.put(number, out);
        }
    }
}

/// A repeated number in its packed form, which is how proto3 and Go write it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packed<S>(pub Vec<S>);

impl<S: Scalar> Field for Packed<S> {
    fn read(
        &mut self,
        value: Value<'_>,
        first: bool,
        budget: &mut Budget,
    ) -> Result<(), WireError> {
        if !first {
            return Err(Problem::Duplicate.into());
        }
        let mut reader = Reader::new(value.bytes()?);
        while !reader.rest.is_empty() {
            budget.take()?;
            self.0
                .push(S::scalar(Value::Varint(reader.varint()?), budget)?);
        }
        Ok(())
    }

    fn write(&self, number: u32, out: &mut Vec<u8>) {
        if self.0.is_empty() {
            return;
        }
        let mut packed = Vec::new();
        for value in &self.0 {
            let mut one = Vec::new();
            // Field number 1 makes a tag of exactly one byte, which a packed list does not have.
            value.put(1, &mut one);
            packed.extend(one.into_iter().skip(1));
        }
        put_bytes(out, number, &packed);
    }
}

impl<S: Scalar + Default> Field for BTreeMap<String, S> {
    fn read(&mut self, value: Value<'_>, _: bool, budget: &mut Budget) -> Result<(), WireError> {
        budget.take()?;
        let (mut key, mut content) = (None::<String>, None::<S>);
        let mut reader = Reader::new(value.bytes()?);
        while let Some((number, value)) = reader.field()? {
            match number {
                1 => set_once(&mut key, value, budget)?,
                2 => set_once(&mut content, value, budget)?,
                _ => return Err(Problem::UnknownField.into()),
            }
        }
        match self.insert(key.unwrap_or_default(), content.unwrap_or_default()) {
            None => Ok(()),
            Some(_) => Err(Problem::Duplicate.into()),
        }
    }

    fn write(&self, number: u32, out: &mut Vec<u8>) {
        for (key, value) in self {
            let mut entry = Vec::new();
            key.put(1, &mut entry);
            value.put(2, &mut entry);
            put_bytes(out, number, &entry);
        }
    }
}
