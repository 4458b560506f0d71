//! File operations.

use crate::llb::wire::{Budget, Bytes, Field, Message, Oneof, Problem, Scalar, Value, WireError};

message! {
    /// File operations, one after the other.
    FileOp {
        /// The operations.
        2 actions: Vec<FileAction>,
    }
}

message! {
    /// One file operation.
    FileAction {
        /// What it changes: an input, or inputs + n for the result of action n; -1 for nothing yet.
        1 input: i64,
        /// What it copies from, counted alike; -1 for nothing.
        2 secondary_input: i64,
        /// Which output of the operation; -1 for none.
        3 output: i64,
        ;
        /// What it does.
        action: Action
    }
}

oneof! {
    /// What a file operation does.
    Action {
        /// Copies.
        4 Copy(FileActionCopy),
        /// Makes a file.
        5 MkFile(FileActionMkFile),
        /// Makes a directory.
        6 MkDir(FileActionMkDir),
        /// Removes.
        7 Rm(FileActionRm),
        /// Makes a symbolic link.
        8 Symlink(FileActionSymlink),
    }
}

message! {
    /// A copy.
    FileActionCopy {
        /// From where.
        1 src: String,
        /// To where.
        2 dest: String,
        /// New owner.
        3 owner: Option<ChownOpt>,
        /// New permission bits; -1 keeps them.
        4 mode: i32,
        /// Whether links in `src` are followed.
        5 follow_symlink: bool,
        /// Whether a directory's content is copied instead of itself.
        6 dir_copy_contents: bool,
        /// Whether an archive is unpacked.
        7 attempt_unpack: bool,
        /// Whether directories above `dest` are made.
        8 create_dest_path: bool,
        /// Whether `src` may be a pattern.
        9 allow_wildcard: bool,
        /// Whether the pattern may match nothing.
        10 allow_empty_wildcard: bool,
        /// New time in nanoseconds; -1 keeps it.
        11 timestamp: i64,
        /// Only what matches one of these.
        12 include_patterns: Vec<String>,
        /// Not what matches one of these.
        13 exclude_patterns: Vec<String>,
        /// Whether a file may replace a directory and the reverse.
        14 always_replace_existing_dest_paths: bool,
        /// Permission bits in symbolic form.
        15 mode_str: String,
        /// Paths that must be among what is copied.
        16 required_paths: Vec<String>,
    }
}

message! {
    /// A new file.
    FileActionMkFile {
        /// Where.
        1 path: String,
        /// Permission bits.
        2 mode: i32,
        /// Content.
        3 data: Bytes,
        /// Owner.
        4 owner: Option<ChownOpt>,
        /// Time in nanoseconds; -1 for now.
        5 timestamp: i64,
    }
}

message! {
    /// A new symbolic link.
    FileActionSymlink {
        /// What it points to.
        1 oldpath: String,
        /// Where it is.
        2 newpath: String,
        /// Owner.
        3 owner: Option<ChownOpt>,
        /// Time in nanoseconds; -1 for now.
        4 timestamp: i64,
    }
}

message! {
    /// A new directory.
    FileActionMkDir {
        /// Where.
        1 path: String,
        /// Permission bits.
        2 mode: i32,
        /// Whether directories above are made.
        3 make_parents: bool,
        /// Owner.
        4 owner: Option<ChownOpt>,
        /// Time in nanoseconds; -1 for now.
        5 timestamp: i64,
    }
}

message! {
    /// A removal.
    FileActionRm {
        /// What.
        1 path: String,
        /// Whether it may be missing.
        2 allow_not_found: bool,
        /// Whether it may be a pattern.
        3 allow_wildcard: bool,
    }
}

message! {
    /// Owner and group.
    ChownOpt {
        /// Owner.
        1 user: Option<UserOpt>,
        /// Group.
        2 group: Option<UserOpt>,
    }
}

message! {
    /// An owner or a group.
    UserOpt {
        ;
        /// By name or number.
        user: User
    }
}

oneof! {
    /// An owner or a group.
    User {
        /// By name, looked up in an input's `/etc/passwd` or `/etc/group`.
        1 ByName(NamedUserOpt),
        /// By number.
        2 ById(u32),
    }
}

message! {
    /// A name and where it is looked up.
    NamedUserOpt {
        /// The name.
        1 name: String,
        /// The input, counted as in [`FileAction::input`].
        2 input: i64,
    }
}
