//! The reader as a whole. What each construct means was checked against BuildKit (`cargo xtask conformance`); these
//! keep it so, and show the spans, which BuildKit doesn't have.

use super::{command::CommandKind, *};

fn parse(text: &str) -> Dockerfile<'_> {
    let file = Dockerfile::parse(text.as_bytes()).expect("readable");
    assert_eq!(file.print(), text.as_bytes());
    file
}

/// Keyword, lines, flags and words of every instruction.
fn dump(text: &str) -> Vec<String> {
    let file = parse(text);
    file.instructions()
        .map(|instruction| {
            let (first, last) = instruction.lines();
            let mut out = format!("{first}-{last} {}", lossy(instruction.keyword()));
            for flag in instruction.flags() {
                out.push_str(&format!(" {}", flag.text));
            }
            if instruction.is_json() {
                out.push_str(" json");
            }
            let mut current = Some(instruction);
            while let Some(instruction) = current {
                for word in instruction.words() {
                    out.push_str(&format!(" <{}>", lossy(word.text)));
                }
                current = instruction.nested();
            }
            for heredoc in instruction.heredocs() {
                let flags = format!(
                    "{}{}",
                    if heredoc.expand { "$" } else { "" },
                    if heredoc.chomp { "-" } else { "" }
                );
                out.push_str(&format!(
                    " {{{}{flags}: {:?}}}",
                    heredoc.name,
                    lossy(heredoc.content)
                ));
            }
            out
        })
        .collect()
}

fn refused(text: &[u8]) -> ParseError {
    match Dockerfile::parse(text) {
        Err(error) => error,
        Ok(file) => file.stages().expect_err("refused"),
    }
}

#[test]
fn joins_continued_lines() {
    assert_eq!(
        dump("FROM a\nRUN b \\\n  # no\n\n\tc\\  \n d\nUSER x"),
        ["1-1 FROM <a>", "2-6 RUN <b \tc d>", "7-7 USER <x>"]
    );
    assert_eq!(
        dump("RUN a \\\\\nUSER b"),
        ["1-1 RUN <a \\\\>", "2-2 USER <b>"],
        "an escaped escape doesn't continue"
    );
    assert_eq!(dump("RUN a \\"), ["1-1 RUN <a>"], "nor does the file");
    assert_eq!(dump("RUN \\\n\\\nUSER b"), ["1-3 RUN <USER b>"]);
    assert_eq!(
        dump("# escape=`\nRUN a\\\nUSER `\n b"),
        ["2-2 RUN <a\\>", "3-4 USER <b>"]
    );
    assert_eq!(
        dump("\u{feff}\u{a0}RUN a\r\n  USER b\r\n"),
        ["1-1 RUN <a>", "2-2 USER <b>"]
    );
}

#[test]
fn tells_flags_from_words() {
    assert_eq!(
        dump("COPY --from=\"a b\" --x=\\\"y -- --z w"),
        ["1-1 COPY --from=a b --x=\"y <--z> <w>"]
    );
    assert_eq!(dump("RUN --a --b='c\\'d' -e"), ["1-1 RUN --a --b=c'd <-e>"]);
    assert_eq!(
        dump("RUN --a=é x"),
        ["1-1 RUN --a=Ã© <x>"],
        "bytes become Latin-1 characters"
    );
    assert_eq!(dump("RUN"), ["1-1 RUN"]);
    assert_eq!(
        dump("ADD --checksum=x  https://a.test/b\t/c"),
        ["1-1 ADD --checksum=x <https://a.test/b> </c>"]
    );
}

#[test]
fn reads_pairs() {
    assert_eq!(
        dump("ENV a=b c=\"d e\" f=g\\ h i="),
        ["1-1 ENV <a> <b> <c> <\"d e\"> <f> <g\\ h> <i> <>"]
    );
    assert_eq!(dump("ENV a  b = c "), ["1-1 ENV <a> <b = c>"]);
    assert_eq!(dump("ARG a b=c 'd e'"), ["1-1 ARG <a> <b=c> <'d e'>"]);
    assert_eq!(refused(b"ENV a").kind, ParseErrorKind::MissingValue("ENV"));
    assert_eq!(
        refused(b"LABEL a=b c").kind,
        ParseErrorKind::MissingEquals("LABEL", "c".to_owned())
    );
}

#[test]
fn reads_json_or_not() {
    assert_eq!(dump("RUN [\"a\", \"b\\u0041\"]"), ["1-1 RUN json <a> <bA>"]);
    assert_eq!(dump("RUN [ \"a\", ]"), ["1-1 RUN <[ \"a\", ]>"]);
    assert_eq!(dump("COPY [ \"a b\", \"c\" ]"), ["1-1 COPY json <a b> <c>"]);
    assert_eq!(dump("COPY [a c"), ["1-1 COPY <[a> <c>"]);
    assert_eq!(
        dump("HEALTHCHECK --x CMD [\"a\"]"),
        ["1-1 HEALTHCHECK --x json <CMD> <a>"]
    );
    assert_eq!(dump("USER [\"a\"]"), ["1-1 USER <[\"a\"]>"]);
    assert_eq!(refused(b"RUN [\"a\", 1]").kind, ParseErrorKind::NotStrings);
}

#[test]
fn reads_heredocs() {
    assert_eq!(
        dump("COPY <<A <<-'B' /d\n# x\nA\n\ty\r\n\tB\r\nUSER z"),
        [
            "1-5 COPY <<<A> <<<-'B'> </d> {A$: \"# x\\n\"} {B-: \"\\ty\\r\\n\"}",
            "6-6 USER <z>"
        ]
    );
    assert_eq!(
        dump("ONBUILD RUN <<A\nx\nA\n"),
        ["1-3 ONBUILD <<<A> {A$: \"x\\n\"}"]
    );
    assert_eq!(
        dump("RUN [\"<<A\"]\nUSER z"),
        ["1-1 RUN json <<<A>", "2-2 USER <z>"]
    );
    assert_eq!(
        dump("ENV a <<A\nUSER z"),
        ["1-1 ENV <a> <<<A>", "2-2 USER <z>"]
    );
    let error = refused(b"FROM x\nRUN <<A\ny\n");
    assert_eq!(
        (error.kind, error.lines.0),
        (ParseErrorKind::UnterminatedHeredoc("A".to_owned()), 2)
    );
}

#[test]
fn directives_are_only_at_the_top() {
    let file = parse("#syntax=a\n # escape = `\n#check=skip=x\nFROM x\n# escape=\\\n");
    let names: Vec<_> = file
        .directives()
        .iter()
        .map(|directive| (directive.name, directive.line))
        .collect();
    assert_eq!(
        names,
        [
            (DirectiveName::Syntax, 1),
            (DirectiveName::Escape, 2),
            (DirectiveName::Check, 3)
        ]
    );
    assert_eq!(file.escape(), '`');
    assert_eq!(
        parse("#!/x\n# escape=`\nFROM x").escape(),
        '\\',
        "a #! line is a comment to the parser"
    );
    assert_eq!(
        refused(b"# escape=x\nFROM x").kind,
        ParseErrorKind::EscapeCharacter("x".to_owned())
    );
    assert_eq!(
        refused(b"# escape=\\\n# escape=\\\n").kind,
        ParseErrorKind::DuplicateDirective("escape")
    );
    assert_eq!(
        refused(b"# escape= \nFROM x").kind,
        ParseErrorKind::EscapeCharacter(" ".to_owned())
    );
}

#[test]
fn lines_and_files_have_limits() {
    let line = |len: usize| format!("FROM x\nRUN {}", "a".repeat(len - 4));
    assert!(Dockerfile::parse(line(MAX_LINE).as_bytes()).is_ok());
    assert!(Dockerfile::parse((line(MAX_LINE) + "\n").as_bytes()).is_ok());
    assert_eq!(
        refused(line(MAX_LINE + 1).as_bytes()).kind,
        ParseErrorKind::LineTooLong
    );
    assert_eq!(refused(b"").kind, ParseErrorKind::NoInstructions);
    assert_eq!(refused(b"# x\n\n").kind, ParseErrorKind::NoInstructions);
}

#[test]
fn spans_are_bytes_of_the_file() {
    let text = "FROM a\r\nCOPY \\\r\n  --from=\"b\\\\\" \\\n# c\n  d\\\ne f\n";
    let file = parse(text);
    let at = |span: Span| &text[span.start..span.end];
    let copy = file.instruction(1).expect("there");
    assert_eq!(at(copy.keyword_span()), "COPY");
    assert_eq!(
        copy.flags().map(|flag| at(flag.span)).collect::<Vec<_>>(),
        ["--from=\"b\\\\\""]
    );
    assert_eq!(
        copy.words().map(|word| at(word.span)).collect::<Vec<_>>(),
        ["d\\\ne", "f"]
    );
    assert_eq!(copy.words().next().map(|word| word.text), Some(&b"de"[..]));
    assert_eq!(at(copy.flag_value_span(0, 0, 2)), "b\\\\");
    assert_eq!(at(copy.span()), &text[8..text.len() - 1]);
}

#[test]
fn unknown_grammar_is_refused_with_its_place() {
    let text = "FROM x\nCOPYY a b";
    let error = refused(text.as_bytes());
    assert_eq!(&text[error.span.start..error.span.end], "COPYY");
    assert!(error.kind.to_string().contains("BuildKit v0.32"), "{error}");
    let text = "FROM x\nCOPY --new=1 a b";
    let error = refused(text.as_bytes());
    assert_eq!(
        (&text[error.span.start..error.span.end], error.lines),
        ("--new=1", (2, 2))
    );
    assert!(error.kind.to_string().contains("BuildKit v0.32"), "{error}");
}

#[test]
fn instructions_are_checked() {
    for text in [
        "RUN a",
        "FROM",
        "FROM a b",
        "FROM a as",
        "FROM a as 1",
        "FROM a b c",
        "FROM a as b c",
        "FROM --x a",
        "FROM --platform a",
        "ENV =a",
        "LABEL",
        "ARG",
        "ARG =x",
        "WORKDIR",
        "USER",
        "STOPSIGNAL",
        "EXPOSE",
        "VOLUME",
        "VOLUME [\" \"]",
        "SHELL []",
        "SHELL a",
        "COPY a",
        "ADD",
        "COPY a <<B\nB",
        "COPY --link=x a b",
        "COPY --link= a b",
        "COPY --link --link a b",
        "COPY --from a b",
        "COPY --checksum=x a b",
        "ADD --from=x a b",
        "RUN --network=x a",
        "RUN --network=none --network=none a",
        "RUN --security=x a",
        "RUN --mount='a\"b' c",
        "RUN --mount=from=$x,target=/y z",
        "RUN --device=a,b c",
        "RUN --bogus a",
        "ONBUILD",
        "ONBUILD FROM x",
        "ONBUILD ONBUILD RUN x",
        "ONBUILD MAINTAINER x",
        "ONBUILD --x RUN y",
        "HEALTHCHECK",
        "HEALTHCHECK X",
        "HEALTHCHECK CMD",
        "HEALTHCHECK NONE x",
        "HEALTHCHECK --interval=1 CMD x",
        "HEALTHCHECK --interval=1us CMD x",
        "HEALTHCHECK --retries=-1 CMD x",
        "CMD --x y",
        "BOGUS",
        "MAINTAINER",
        "USER --x y",
    ] {
        let text = if text == "RUN a" {
            text.to_owned()
        } else {
            format!("FROM z\n{text}\n")
        };
        assert!(parse(&text).stages().is_err(), "{text}");
    }
    for text in [
        "FROM a aS b",
        "FROM a a\u{17f} b",
        "FROM --platform= a",
        "ARG --x a",
        "STOPSIGNAL --x 9",
        "HEALTHCHECK --x NONE",
        "COPY --link=TRUE a b",
        "COPY --exclude=a --exclude=b c d",
        "RUN",
        "RUN --device=a,required b",
        "RUN --mount=from=a$,x b",
        "ONBUILD BOGUS",
        "HEALTHCHECK --interval=0 --timeout= cmd x",
        "CMD",
        "ENTRYPOINT []",
        "RUN --mount=type=$x y",
        "WOR\u{212a}DIR x",
    ] {
        let text = format!("FROM z\n{text}\n");
        assert!(
            parse(&text).stages().is_ok(),
            "{text}: {:?}",
            parse(&text).stages().err()
        );
    }
}

#[test]
fn stages_hold_their_instructions() {
    let file = parse("ARG v=1\nFROM a:$v AS One\nRUN x\nFROM one\nONBUILD COPY <<A /b\nc\nA\n");
    let stages = file.stages().expect("valid");
    assert_eq!(stages.args.len(), 1);
    let names: Vec<_> = stages
        .stages
        .iter()
        .map(|s| (&*s.name, s.base, s.commands.len()))
        .collect();
    assert_eq!(names, [("one", &b"a:$v"[..], 1), ("", b"one", 1)]);
    let CommandKind::Onbuild(trigger) = &stages.stages[1].commands[0].kind else {
        panic!("ONBUILD")
    };
    assert_eq!(lossy(trigger), "COPY <<A /b\nc\nA");
}

#[test]
fn tokens_have_kinds() {
    let text = "\u{feff}# escape=\\\n# c\r\n\nFROM --platform=x a \\\n # d\n AS b\nRUN <<E\nf\nE\n";
    let file = parse(text);
    let kinds: Vec<TokenKind> = file.tokens().iter().map(|token| token.kind).collect();
    use TokenKind::*;
    assert_eq!(
        kinds,
        [
            ByteOrderMark,
            Directive,
            Newline,
            Comment,
            Newline,
            Newline,
            Keyword,
            Space,
            Flag,
            Space,
            Word,
            Space,
            Continuation,
            Space,
            Comment,
            Newline,
            Space,
            Word,
            Space,
            Word,
            Newline,
            Keyword,
            Space,
            Word,
            Newline,
            Heredoc,
            Terminator,
            Newline
        ]
    );
}

#[test]
fn hostile_sizes_take_linear_time_and_memory() {
    let nested = format!("FROM x\n{}", vec!["ONBUILD ".repeat(5000); 10].join("\\\n"));
    assert!(parse(&nested).stages().is_err());
    let continued = format!("FROM x\nRUN a{}", " \\\n b".repeat(100_000));
    assert_eq!(parse(&continued).instructions().len(), 2);
    let heredocs = format!(
        "FROM x\nRUN {}\n{}",
        "<<A ".repeat(10_000),
        "A\n".repeat(10_000)
    );
    assert_eq!(
        parse(&heredocs)
            .instruction(1)
            .map(|run| run.heredocs().len()),
        Some(10_000)
    );
}

#[test]
fn the_last_heredoc_of_a_name_is_the_file() {
    let file = parse("FROM x\nADD <<A <<-B <<A /d\n1\nA\n\t2\nB\n3\nA\n");
    let stages = file.stages().expect("valid");
    let CommandKind::Add(add) = &stages.stages[0].commands[0].kind else {
        panic!("ADD")
    };
    let contents: Vec<(String, String)> = add
        .sources
        .contents()
        .map(|file| (file.name.into_owned(), lossy(&file.data).into_owned()))
        .collect();
    let contents: Vec<_> = contents.iter().map(|(n, d)| (&**n, &**d)).collect();
    assert_eq!(contents, [("A", "3\n"), ("B", "2\n"), ("A", "3\n")]);
    assert_eq!(add.sources.paths().count(), 0);
}

#[test]
fn lists_of_hostile_files_grow_with_them() {
    for (part, text) in [("CMD\n", ""), ("ONBUILD ", "RUN x"), ("CMD \\\nx\n", "")] {
        let text = format!("FROM x\n{}{text}", part.repeat(5_000));
        let file = parse(&text);
        assert_eq!(file.print(), text.as_bytes());
        let nodes = file.nodes.capacity() + file.arena.nested.capacity();
        assert!(
            nodes * size_of::<parser::Node>() <= text.len() * 10,
            "{part:?}"
        );
    }
    assert_eq!(size_of::<parser::Node>(), 32);
}

#[test]
fn an_empty_word_at_the_end_of_a_joined_line_is_not_the_next_ones() {
    // Both lines have nothing in front of their continuation, so that the second's text begins where the first's ends.
    let file = parse("FROM x\n\\\nwhat\n\\\nelse\n");
    for instruction in file.instructions() {
        let span = instruction.span();
        for word in instruction.words() {
            assert!(span.start <= word.span.start && word.span.end <= span.end);
        }
    }
}
