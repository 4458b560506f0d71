//! Errors and what they carry.

use crate::gateway::{Detail, Exit, Frontend, Position, Range, Source, Stack, Status, Typed};

fn detail(name: &str, json: &str) -> Detail {
    Detail {
        type_url: format!("github.com/moby/buildkit/{name}+json"),
        value: json.as_bytes().to_vec(),
    }
}

#[test]
fn a_source_is_written_as_buildkit_reads_it() {
    let source = Source::dockerfile("sub/Dockerfile", b"FROM a\n\xff\n", [(1, 2)]);
    let detail = source.to_detail();
    assert_eq!(
        detail.type_url,
        "github.com/moby/buildkit/errdefs.Source+json"
    );
    let json: serde_json::Value = serde_json::from_slice(&detail.value).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "info": {"filename": "sub/Dockerfile", "data": "RlJPTSBhCv8K", "language": "Dockerfile"},
            "ranges": [{"start": {"line": 1, "character": 0}, "end": {"line": 2, "character": 0}}],
        })
    );
    assert_eq!(detail.typed(), Typed::Source(source));
}

#[test]
fn both_ends_of_a_range_are_always_written() {
    let at = |line| Some(Position { line, character: 3 });
    let mut source = Source::dockerfile("Dockerfile", b"", []);
    source.ranges = vec![
        Range {
            start: at(4),
            end: None,
        },
        Range {
            start: None,
            end: at(5),
        },
        Range {
            start: None,
            end: None,
        },
    ];
    let json: serde_json::Value = serde_json::from_slice(&source.to_detail().value).unwrap();
    let ends: Vec<_> = json["ranges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (&r["start"]["line"], &r["end"]["line"]))
        .collect();
    assert_eq!(ends, [(&4.into(), &4.into()), (&5.into(), &5.into())]);
}

#[test]
fn what_go_writes_is_read() {
    // Go leaves out zero values, and writes nil as null.
    let read = detail(
        "errdefs.Source",
        r#"{"info":{"filename":"Dockerfile","data":"RlJPTSBhCg==","definition":{"def":["AA=="],"metadata":{"x":{}},"Source":{}},"language":"Dockerfile"},
            "ranges":[{"start":{"line":2},"end":{"line":3,"character":9}},{"start":{}}]}"#,
    );
    let Typed::Source(source) = read.typed() else {
        panic!()
    };
    assert_eq!(source.info.data, b"FROM a\n");
    assert_eq!(
        source.ranges[0],
        Range {
            start: Some(Position {
                line: 2,
                character: 0
            }),
            end: Some(Position {
                line: 3,
                character: 9
            })
        }
    );
    assert_eq!(source.ranges[1].end, None);
    assert!(
        matches!(detail("errdefs.Source", "{}").typed(), Typed::Source(s) if s == Source::default())
    );
    assert!(matches!(
        detail("errdefs.Source", r#"{"info":null,"ranges":null}"#).typed(),
        Typed::Source(_)
    ));

    assert_eq!(
        detail("gatewayapi.ExitMessage", r#"{"Code":7}"#).typed(),
        Typed::Exit(Exit { code: 7 })
    );
    let frontend = Frontend {
        name: "gateway.v0".to_owned(),
        source: "a".to_owned(),
    };
    assert_eq!(
        detail("errdefs.Frontend", r#"{"name":"gateway.v0","source":"a"}"#).typed(),
        Typed::Frontend(frontend)
    );
    assert!(
        matches!(detail("errdefs.FrontendCap", r#"{"name":"c"}"#).typed(), Typed::FrontendCap(n) if n.name == "c")
    );
    assert!(matches!(Detail::frontend_cap("c").typed(), Typed::FrontendCap(n) if n.name == "c"));
    assert!(matches!(Detail::subrequest("s").typed(), Typed::Subrequest(n) if n.name == "s"));
    let stack = detail(
        "stack.Stack",
        r#"{"frames":[{"Name":"main.main","File":"a.go","Line":3}],"cmdline":["buildkitd"],"pid":1}"#,
    );
    let Typed::Stack(Stack { frames, .. }) = stack.typed() else {
        panic!()
    };
    assert_eq!((frames[0].name.as_str(), frames[0].line), ("main.main", 3));
}

#[test]
fn what_is_not_json_or_not_base64_is_unknown() {
    for bad in [
        "",
        "{",
        "7",
        r#"{"info":{"data":"*"}}"#,
        r#"{"ranges":[{"start":{"line":"1"}}]}"#,
        "\u{0}",
    ] {
        assert_eq!(
            detail("errdefs.Source", bad).typed(),
            Typed::Unknown,
            "{bad}"
        );
    }
    let deep = "[".repeat(100_000);
    assert_eq!(
        detail("errdefs.Solve", &format!(r#"{{"op":{deep}"#)).typed(),
        Typed::Unknown
    );
    assert_eq!(detail("errdefs.Other", "{}").typed(), Typed::Unknown);
}

#[test]
fn replacing_sources_leaves_everything_else() {
    let (a, b) = (
        Source::dockerfile("a", b"a", [(1, 1)]),
        Source::dockerfile("b", b"b", [(2, 2)]),
    );
    let other = Detail {
        type_url: "example.com/x".to_owned(),
        value: vec![0xff, 0xfe],
    };
    let unreadable = detail("errdefs.Source", "{");
    let solve = detail("errdefs.Solve", r#"{ "op" : {} }"#);
    let status = Status {
        code: 5,
        message: "m".to_owned(),
        details: vec![
            other.clone(),
            a.to_detail(),
            unreadable,
            solve.clone(),
            b.to_detail(),
        ],
    };
    assert_eq!(status.sources(), [a.clone(), b.clone()]);

    let ours = Source::dockerfile("ours", b"c", [(3, 4)]);
    let replaced = status.clone().replace_sources(std::slice::from_ref(&ours));
    assert_eq!(
        replaced.details,
        [other.clone(), ours.to_detail(), solve.clone()]
    );
    assert_eq!((replaced.code, replaced.message.as_str()), (5, "m"));
    assert_eq!(
        status.clone().replace_sources(&[]).details,
        [other.clone(), solve.clone()]
    );

    let without = status.replace_sources(&[]);
    assert_eq!(
        without.replace_sources(std::slice::from_ref(&a)).details,
        [other, solve, a.to_detail()]
    );
}

#[test]
fn a_new_error_has_code_unknown_and_its_sources_in_order() {
    let (a, b) = (
        Source::dockerfile("a", b"a", [(1, 1)]),
        Source::dockerfile("b", b"b", [(2, 2)]),
    );
    let status = Status::with_sources("refused", &[a.clone(), b.clone()]);
    assert_eq!((status.code, status.to_string().as_str()), (2, "refused"));
    assert_eq!(status.sources(), [a, b]);
    assert_eq!(status.unsupported_subrequest(), None);
}

#[test]
fn an_excerpt_keeps_line_numbers_and_only_the_lines_around() {
    let data: String = (1..=1000).map(|i| format!("line {i}\r\n")).collect();
    let ranges = [(500, 500), (3, 4), (4, 4), (2000, 3000)];
    let excerpt = Source::dockerfile("Dockerfile", data.as_bytes(), ranges).excerpt(2);
    let text = String::from_utf8(excerpt.info.data).unwrap();
    let lines: Vec<_> = text.split('\n').collect();
    assert_eq!(lines.len(), 1001);
    let kept: Vec<_> = (1..)
        .zip(&lines)
        .filter(|(_, line)| !line.is_empty())
        .map(|(i, _)| i)
        .collect();
    assert_eq!(kept, [1, 2, 3, 4, 5, 6, 498, 499, 500, 501, 502]);
    assert_eq!(lines[499], "line 500\r");
    assert_eq!(
        Source::dockerfile("Dockerfile", b"a\nb", [(9, 9)])
            .excerpt(2)
            .info
            .data,
        b"\n"
    );
}

#[test]
fn only_an_excerpt_of_a_large_file_goes_with_an_error() {
    let sent = |size: usize| {
        let source = Source::dockerfile(
            "Dockerfile",
            &b"0123456789abcde\n".repeat(size / 16),
            [(7, 7)],
        );
        let Typed::Source(read) = source.to_detail().typed() else {
            panic!()
        };
        assert_eq!(read.ranges, source.ranges);
        read.info.data
    };
    assert_eq!(sent(1 << 20).len(), 1 << 20);
    let excerpt = sent(16 << 20);
    assert_eq!(excerpt.len(), (1 << 20) + 107 * 15);
    assert!(excerpt.starts_with(b"0123456789abcde\n"));
}

#[test]
fn a_long_line_is_cut_between_characters() {
    let long = format!(
        "FROM scratch\nRUN {}é{}\nRUN b\n",
        "x".repeat(4091),
        "y".repeat(5000)
    );
    let source = Source::dockerfile("Dockerfile", long.as_bytes(), [(2, 2)]);
    let Typed::Source(read) = source.to_detail().typed() else {
        panic!()
    };
    let shown = format!("FROM scratch\nRUN {} ...\nRUN b\n", "x".repeat(4091));
    assert_eq!(String::from_utf8(read.info.data).unwrap(), shown);
}
