//! The messages of BuildKit's `solver/pb/ops.proto`, as far as the stock Dockerfile frontend uses them.
//!
//! Each type lists every field the message has at BuildKit v0.32, with its number; older BuildKits write a
//! subset. Meaning is said where it matters for what a build fetches or may do; the rest is in `ops.proto`.
//! Build, diff and passthrough operations are recognised but not read: no Dockerfile makes them.

use std::collections::BTreeMap;

use crate::llb::wire::{Budget, Bytes, Field, Message, Oneof, Problem, Scalar, Value, WireError};

macro_rules! message {
    (
        $(#[$meta:meta])*
        $name:ident {
            $($(#[$field_meta:meta])* $number:literal $field:ident: $type:ty,)*
            $(; $(#[$oneof_meta:meta])* $oneof:ident: $oneof_type:ty)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
            $($(#[$oneof_meta])* pub $oneof: Option<$oneof_type>,)?
        }

        impl Message for $name {
            const NAME: &'static str = stringify!($name);

            fn set(&mut self, number: u32, value: Value<'_>, first: bool, budget: &mut Budget) -> Result<(), WireError> {
                match number {
                    $($number => Field::read(&mut self.$field, value, first, budget)
                        .map_err(|error| error.at(Self::NAME, stringify!($field), number)),)*
                    _ => {
                        $(if let Some(read) = <$oneof_type as Oneof>::read(number, value, budget) {
                            let read = read.map_err(|error| error.at(Self::NAME, stringify!($oneof), number))?;
                            return match self.$oneof.replace(read) {
                                None => Ok(()),
                                Some(_) => Err(WireError::from(Problem::Duplicate)
                                    .at(Self::NAME, stringify!($oneof), number)),
                            };
                        })?
                        let _ = (first, budget, value);
                        Err(WireError::from(Problem::UnknownField).at(Self::NAME, "", number))
                    }
                }
            }

            fn write(&self, out: &mut Vec<u8>) {
                $(self.$field.write($number, out);)*
                $(if let Some(value) = &self.$oneof {
                    Oneof::write(value, out);
                })?
                let _ = out;
            }
        }
    };
}

macro_rules! oneof {
    (
        $(#[$meta:meta])*
        $name:ident { $($(#[$variant_meta:meta])* $number:literal $variant:ident($type:ty),)* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_meta])* $variant($type),)*
        }

        impl Oneof for $name {
            fn read(number: u32, value: Value<'_>, budget: &mut Budget) -> Option<Result<Self, WireError>> {
                match number {
                    $($number => Some(<$type as Scalar>::scalar(value, budget).map(Self::$variant)),)*
                    _ => None,
                }
            }

            fn write(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant(value) => value.put($number, out),)*
                }
            }
        }
    };
}

macro_rules! values {
    (
        $(#[$meta:meta])*
        $name:ident { $(#[$first_meta:meta])* 0 $first:ident, $($(#[$variant_meta:meta])* $number:literal $variant:ident,)* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name {
            $(#[$first_meta])*
            #[default]
            $first,
            $($(#[$variant_meta])* $variant,)*
        }

        impl Scalar for $name {
            fn scalar(value: Value<'_>, budget: &mut Budget) -> Result<Self, WireError> {
                match i64::scalar(value, budget)? {
                    0 => Ok(Self::$first),
                    $($number => Ok(Self::$variant),)*
                    other => Err(Problem::UnknownValue(other).into()),
                }
            }

            fn put(&self, number: u32, out: &mut Vec<u8>) {
                let value: u64 = match self {
                    Self::$first => 0,
                    $(Self::$variant => $number,)*
                };
                value.put(number, out);
            }
        }

        impl Field for $name {
            fn read(&mut self, value: Value<'_>, first: bool, budget: &mut Budget) -> Result<(), WireError> {
                crate::llb::wire::single(self, value, first, budget)
            }

            fn write(&self, number: u32, out: &mut Vec<u8>) {
                if *self != Self::$first {
                    self.put(number, out);
                }
            }
        }
    };
}

mod about;
mod exec;
mod file;

pub use about::*;
pub use exec::*;
pub use file::*;

message! {
    /// One vertex of the graph. Its id is the SHA-256 of its bytes.
    Op {
        /// What it reads: outputs of other operations.
        1 inputs: Vec<Input>,
        /// The platform it is for; only images and commands depend on it.
        10 platform: Option<Platform>,
        /// Which worker may run it.
        11 constraints: Option<WorkerConstraints>,
        ;
        /// What it does; `None` only in the terminal operation.
        kind: Kind
    }
}

oneof! {
    /// What an operation does.
    Kind {
        /// Runs a command.
        2 Exec(Box<ExecOp>),
        /// Fetches something.
        3 Source(SourceOp),
        /// Copies, makes and removes files.
        4 File(FileOp),
        /// Builds LLB read from a file of an earlier result; bytes not read.
        5 Build(Bytes),
        /// Lays results over each other.
        6 Merge(MergeOp),
        /// The difference of two results; bytes not read.
        7 Diff(Bytes),
        /// Orders operations without adding content; bytes not read.
        8 Passthrough(Bytes),
    }
}

message! {
    /// A platform, as in the OCI image specification.
    #[derive(PartialOrd, Ord, Hash)]
    Platform {
        /// For example `amd64`.
        1 architecture: String,
        /// For example `linux`.
        2 os: String,
        /// For example `v7`.
        3 variant: String,
        /// For Windows.
        4 os_version: String,
        /// Unused.
        5 os_features: Vec<String>,
    }
}

message! {
    /// One output of another operation.
    Input {
        /// The other operation's id, `sha256:…`.
        1 digest: String,
        /// Which of its outputs.
        2 index: i64,
    }
}

message! {
    /// A fetch: image, file, repository, or the client's files.
    SourceOp {
        /// `scheme://…`.
        1 identifier: String,
        /// Attributes of `solver/pb/attr.go`; some decide what is fetched.
        2 attrs: BTreeMap<String, String>,
    }
}

message! {
    /// Which worker may run an operation.
    WorkerConstraints {
        /// containerd filters.
        1 filter: Vec<String>,
    }
}

message! {
    /// Results laid over each other.
    MergeOp {
        /// Which inputs, lowest first.
        1 inputs: Vec<MergeInput>,
    }
}

message! {
    /// One layer of a merge.
    MergeInput {
        /// Which input of the operation.
        1 input: i64,
    }
}
