use super::*;

#[test]
fn what_is_shown_has_no_secret() {
    for (said, shown) in [
        (
            "cannot open https://me:hunter2@git.test/a.git/info/refs?x=hunter2: no",
            "cannot open https://git.test/a.git/info/refs no",
        ),
        ("plain text", "plain text"),
        ("\u{1b}[31mred", " [31mred"),
    ] {
        let got = plain(said);
        assert_eq!(got, shown.trim(), "{said}");
        assert!(!got.contains("hunter2"));
    }
}
