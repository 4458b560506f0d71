//! The variables of a stage.
//!
//! BuildKit keeps two lists: the environment of the state, to which ENV and ARG add, and the environment of the image,
//! to which only ENV adds. A stage built upon another takes both and then applies the image's to the state's once
//! more, so that an ENV of the base outlives an ARG of the base. Stages inherit from each other a hundred thousand
//! deep, so both are persistent maps that share what they have in common.

use std::{
    cell::Cell,
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    rc::Rc,
};

use crate::dockerfile::expand::Variables;

/// A map whose copies share their nodes: a trie over the hash of the key.
#[derive(Clone, Debug)]
pub(super) struct PersistentMap<V> {
    root: Option<Rc<Node<V>>>,
    hasher: RandomState,
}

#[derive(Clone, Debug)]
enum Node<V> {
    /// Keys with the same hash, nearly always one.
    Leaf(u64, Vec<(Rc<str>, V)>),
    Branch([Option<Rc<Node<V>>>; 16]),
}

impl<V: Clone> PersistentMap<V> {
    fn new(hasher: RandomState) -> Self {
        Self { root: None, hasher }
    }

    fn get(&self, key: &str) -> Option<&V> {
        let hash = self.hasher.hash_one(key);
        let mut node = self.root.as_deref()?;
        let mut shift = 0;
        loop {
            match node {
                Node::Leaf(_, entries) => {
                    return entries
                        .iter()
                        .find(|(k, _)| &**k == key)
                        .map(|(_, value)| value);
                }
                Node::Branch(children) => node = children.get(slot(hash, shift))?.as_deref()?,
            }
            shift += 4;
        }
    }

    fn insert(&mut self, key: Rc<str>, value: V) {
        let hash = self.hasher.hash_one(&*key);
        insert(&mut self.root, hash, 0, key, value);
    }
}

fn slot(hash: u64, shift: u32) -> usize {
    // Four bits: always below 16.
    (hash.checked_shr(shift).unwrap_or(0) & 15) as usize
}

fn insert<V: Clone>(node: &mut Option<Rc<Node<V>>>, hash: u64, shift: u32, key: Rc<str>, value: V) {
    let Some(shared) = node else {
        *node = Some(Rc::new(Node::Leaf(hash, vec![(key, value)])));
        return;
    };
    match Rc::make_mut(shared) {
        Node::Leaf(own, entries) if *own == hash => {
            match entries.iter_mut().find(|(k, _)| *k == key) {
                Some((_, old)) => *old = value,
                None => entries.push((key, value)),
            }
        }
        leaf @ Node::Leaf(..) => {
            let mut children: [Option<Rc<Node<V>>>; 16] = Default::default();
            if let Node::Leaf(own, _) = leaf
                && let Some(child) = children.get_mut(slot(*own, shift))
            {
                *child = Some(Rc::new(leaf.clone()));
            }
            *leaf = Node::Branch(children);
            insert(node, hash, shift, key, value);
        }
        Node::Branch(children) => {
            if let Some(child) = children.get_mut(slot(hash, shift)) {
                insert(child, hash, shift + 4, key, value);
            }
        }
    }
}

/// What the image's list says of one name. Entries can be double, when a name with `=` in it got in; then ENV changes
/// the first and the last counts.
#[derive(Clone, Debug)]
struct Entry {
    first: Rc<str>,
    last: Option<Rc<str>>,
}

impl Entry {
    fn effective(&self) -> &Rc<str> {
        self.last.as_ref().unwrap_or(&self.first)
    }
}

/// The variables of one stage.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    /// What differs from the image's list because of this stage; `None` hides a name.
    own: HashMap<Rc<str>, Option<Rc<str>>>,
    image: PersistentMap<Entry>,
    /// ARGs of the stages below; the image's list comes before them.
    inherited: PersistentMap<Rc<str>>,
}

impl Scope {
    pub(super) fn new() -> Self {
        let hasher = RandomState::new();
        Self {
            own: HashMap::new(),
            image: PersistentMap::new(hasher.clone()),
            inherited: PersistentMap::new(hasher),
        }
    }

    /// The scope of a stage built upon this one, once this one is complete: what is its own becomes inherited.
    pub(super) fn settle(&mut self) {
        for (name, value) in self.own.drain() {
            if let Some(value) = value {
                self.inherited.insert(name, value);
            }
        }
    }

    /// Adds an entry of an image configuration.
    pub(super) fn add_image_entry(&mut self, entry: &str) {
        let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
        let value: Rc<str> = value.into();
        let entry = match self.image.get(name) {
            Some(earlier) => Entry {
                first: earlier.first.clone(),
                last: Some(value),
            },
            None => Entry {
                first: value,
                last: None,
            },
        };
        self.image.insert(name.into(), entry);
    }

    /// ENV.
    pub(super) fn env(&mut self, name: &str, value: &str) {
        let value: Rc<str> = value.into();
        if let Some((image_name, rest)) = name.split_once('=') {
            // The state gets the whole name, the image's list reads it as another name, which children see.
            let shadowed = self.get(image_name).map(Rc::from);
            self.own.entry(image_name.into()).or_insert(shadowed);
            self.own.insert(name.into(), Some(value.clone()));
            self.add_image_entry(&format!("{image_name}={rest}={value}"));
            return;
        }
        let last = self.image.get(name).and_then(|entry| entry.last.clone());
        if last.is_some() {
            self.own.insert(name.into(), Some(value.clone()));
        } else {
            self.own.remove(name);
        }
        self.image.insert(name.into(), Entry { first: value, last });
    }

    /// ARG.
    pub(super) fn arg(&mut self, name: &str, value: &str) {
        self.own.insert(name.into(), Some(value.into()));
    }

    /// Whether the image's list has the name.
    pub(super) fn image_has(&self, name: &str) -> bool {
        self.image.get(name).is_some()
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        if let Some(own) = self.own.get(name) {
            return own.as_deref();
        }
        match self.image.get(name) {
            Some(entry) => Some(entry.effective()),
            None => self.inherited.get(name).map(|value| &**value),
        }
    }
}

/// How much work and memory one build's expansion may take. A file that needs more is refused.
#[derive(Debug)]
pub(super) struct Fuel(Cell<u64>);

impl Fuel {
    pub(super) fn new(amount: u64) -> Self {
        Self(Cell::new(amount))
    }

    pub(super) fn spend(&self, work: usize) -> bool {
        let left = u64::try_from(work)
            .ok()
            .and_then(|work| self.0.get().checked_sub(work));
        self.0.set(left.unwrap_or(0));
        left.is_some()
    }
}

/// A scope to expand with, and what it may cost.
pub(super) struct Lookup<'a, S> {
    pub scope: &'a S,
    pub fuel: &'a Fuel,
}

impl Variables for Lookup<'_, Scope> {
    fn get(&self, name: &str) -> Option<&str> {
        self.scope.get(name)
    }

    fn spend(&self, work: usize) -> bool {
        self.fuel.spend(work)
    }
}

impl Variables for Lookup<'_, HashMap<String, String>> {
    fn get(&self, name: &str) -> Option<&str> {
        self.scope.get(name).map(String::as_str)
    }

    fn spend(&self, work: usize) -> bool {
        self.fuel.spend(work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn env_of_the_base_outlives_its_arg() {
        let mut base = Scope::new();
        base.env("A", "env");
        base.arg("A", "arg");
        base.arg("B", "arg");
        assert_eq!((base.get("A"), base.get("B")), (Some("arg"), Some("arg")));
        base.settle();
        let mut child = base.clone();
        assert_eq!(
            (child.get("A"), child.get("B"), child.get("C")),
            (Some("env"), Some("arg"), None)
        );
        child.env("B", "env");
        assert_eq!((child.get("B"), base.get("B")), (Some("env"), Some("arg")));
    }

    #[test]
    fn double_entries_of_an_image() {
        let mut scope = Scope::new();
        scope.add_image_entry("A=1");
        scope.add_image_entry("A=2");
        scope.add_image_entry("NOVALUE");
        assert_eq!(
            (scope.get("A"), scope.get("NOVALUE")),
            (Some("2"), Some(""))
        );
        scope.env("A", "3");
        assert_eq!(scope.get("A"), Some("3"));
        scope.settle();
        // The list is now A=3, A=2.
        let entry = scope.image.get("A").expect("present");
        assert_eq!((&*entry.first, &**entry.effective()), ("3", "2"));
    }

    #[test]
    fn a_name_with_an_equals_sign() {
        let mut scope = Scope::new();
        scope.env("a=b", "1");
        assert_eq!((scope.get("a=b"), scope.get("a")), (Some("1"), None));
        scope.settle();
        assert_eq!(scope.get("a"), Some("b=1"));
    }

    #[test]
    fn maps_share_and_hold_many() {
        let mut scope = Scope::new();
        for n in 0..5000 {
            scope.env(&format!("N{n}"), &n.to_string());
        }
        let copy = scope.clone();
        scope.env("N7", "changed");
        assert_eq!(
            (copy.get("N7"), scope.get("N7"), copy.get("N4999")),
            (Some("7"), Some("changed"), Some("4999"))
        );
    }
}
