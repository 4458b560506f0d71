//! What the lexer makes of texts.

use std::collections::BTreeMap;

use super::*;

impl Variables for BTreeMap<&str, &str> {
    fn get(&self, name: &str) -> Option<&str> {
        BTreeMap::get(self, name).copied()
    }
}

fn expand(text: &str) -> String {
    let variables = BTreeMap::from([
        ("x", "value"),
        ("v", "v1.2.3"),
        ("e", ""),
        ("s", "a b"),
        ("1", "one"),
    ]);
    match Lexer::new('\\').expand(text.as_bytes(), &variables) {
        Ok(text) => text.into_owned(),
        Err(error) => format!("! {error}"),
    }
}

#[test]
fn substitutes() {
    for (text, expected) in [
        ("a$x-b", "avalue-b"),
        ("${x}y$", "valuey$"),
        ("$1x$10", "onex"),
        ("$$|$@", "|"),
        ("${u:-d$x}", "dvalue"),
        ("${e:-d}${e-d}", "d"),
        ("${x:+y}${u:+y}${e+z}", "yz"),
        ("${v#v}|${v%.*}|${v%%.*}|${v##*.}", "1.2.3|v1.2|v1|3"),
        ("${v/./_}|${v//./_}", "v1_2.3|v1_2_3"),
        ("${x:?no}", "value"),
        ("${u:-${v:-${x}}}", "v1.2.3"),
        ("'$x'\"$x\"\\$x", "$xvalue$x"),
        ("\"a\\b\\\"\\$\"", "a\\b\"$"),
        ("\\", ""),
        ("${x:-'}'}", "value"),
        ("${u:-'}'}", "}"),
        ("${u:-\"${x}\"}", "value"),
        ("<< a", "<< a"),
        ("\u{feff}a$x", "avalue"),
    ] {
        assert_eq!(expand(text), expected, "{text}");
    }
    for text in [
        "'a", "\"a", "${", "${}", "${:-x}", "${{x}", "${x", "${x:-", "${x:#y}", "${x!}", "${x:zy}",
        "${u:?}", "${e:?}", "${u?}", "${x#\\a}", "${x/a", "${x/a/b", "\"a\\",
    ] {
        assert!(expand(text).starts_with('!'), "{text}: {}", expand(text));
    }
    assert_eq!(expand("${u:?no such}"), "! u: no such");
}

#[test]
fn splits_after_expansion() {
    let variables = BTreeMap::from([("s", "a b"), ("x", "1")]);
    let words = |text: &str| {
        Lexer::new('\\')
            .words(text.as_bytes(), &variables)
            .expect("valid")
    };
    assert_eq!(words("$s \"$s\" c\\ d ''"), ["a", "b", "a b", "c d"]);
    assert_eq!(
        words("80${u:-} 90"),
        ["90"],
        "the nested word forgets what stood before it"
    );
    assert_eq!(words("80$u 90"), ["80", "90"]);
}

#[test]
fn keeps_what_it_is_told_to_keep() {
    let raw = Lexer {
        raw_quotes: true,
        raw_escapes: true,
        skip_unset: true,
        ..Lexer::new('\\')
    };
    let words = |text: &str| raw.words(text.as_bytes(), &Unset).expect("valid");
    assert_eq!(
        words("cat << \"EOF\" $a ${b:-c d}"),
        ["cat", "<< \"EOF\"", "$a", "${b:-c", "d}"]
    );
    assert_eq!(words("a\\ b 'c d'"), ["a\\ b", "'c d'"]);
    assert_eq!(words("x${b//c/d}"), ["${b/c/d}"]);
    let data = Lexer {
        skip_quotes: true,
        ..Lexer::new('\\')
    };
    assert_eq!(
        data.expand(b"'$a' \"\\$a\"", &BTreeMap::from([("a", "1")]))
            .expect("valid"),
        "'1' \"$a\""
    );
}

#[test]
fn depth_and_size_are_bounded() {
    let depth = 200_000;
    let text = "${u:-".repeat(depth) + "x" + &"}".repeat(depth);
    assert_eq!(expand(&text), "x");
    assert!(expand(&"${u:-".repeat(depth)).starts_with('!'));
    let big = "y".repeat(1 << 20);
    let variables = BTreeMap::from([("x", big.as_str())]);
    assert_eq!(
        Lexer::new('\\').expand("$x".repeat(17).as_bytes(), &variables),
        Err(ExpandError::TooLarge)
    );
}

#[test]
fn plain_words_are_those_of_the_lexer() {
    let letters = [b'a', b'<', b' ', b'\t', b'-', b'7'];
    let lexer = Lexer::new('\\');
    for number in 0..6_usize.pow(6) {
        let digits = (0..6).map(|place| number / 6_usize.pow(place) % 6);
        let text: Vec<u8> = digits.map(|digit| letters[digit]).collect();
        let words = lexer.words(&text, &Unset).expect("plain");
        let mut slow = Vec::new();
        let mut found = |word: &str| slow.push(word.to_owned());
        let text = String::from_utf8(text).expect("ASCII");
        let mut run = Run::new(&lexer, &Unset, &text, Some(Words::new(&mut found)));
        run.run().expect("plain");
        if let Some(words) = &mut run.words {
            words.end_word();
        }
        drop(run);
        assert_eq!(words, slow, "{text:?}");
    }
}
