//! Tests of the documents: each code block runs as it is written, and each command in the text exists.

use std::fs;
use std::path::Path;

use imgurd_tests::fake::Endpoint;
use imgurd_tests::repository;
use imgurd_tests::stranger::{node, python};
use imgurd_tests::testbed::{Testbed, binary};
use serde_json::json;

use crate::blocks::{Block, DOCUMENTS, all_blocks, blocks};
use crate::environment::Environment;

/// Who tries a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    /// A user at a shell in a clone, with nothing set up.
    Newcomer,
    /// A user at a shell who has followed *Start*.
    User,
    /// A program in Python, JavaScript or Rust.
    Program,
    /// OpenSSH, with a second machine: see `ssh.rs`.
    RemoteMachine,
    /// systemd, on a machine of the tests' own: see `e2e/unit/`.
    ServiceManager,
}

impl Reader {
    /// Fails for a block that no reader tries: add a reader, or a language to one.
    fn of(block: &Block) -> Self {
        match (block.document, block.language.as_str(), block.section.as_str()) {
            ("systemd/README.md", "ssh_config" | "sshd_config" | "sh", "On another machine over SSH") => {
                Self::RemoteMachine
            }
            ("systemd/README.md", "ini", _) => Self::ServiceManager,
            ("README.md", "sh", "Try it" | "Start") => Self::Newcomer,
            (_, "sh" | "console", _) => Self::User,
            (_, "python" | "js" | "rust", _) => Self::Program,
            (_, language, section) => panic!("{}: nobody tries {language} in {section}", block.place()),
        }
    }
}

/// The blocks that this reader tries.
fn blocks_for(reader: Reader) -> Vec<Block> {
    let found: Vec<_> = all_blocks().into_iter().filter(|block| Reader::of(block) == reader).collect();
    assert!(!found.is_empty(), "there are no examples for {reader:?}");
    found
}

/// The blocks of the section on SSH.
pub(crate) fn ssh_blocks() -> Vec<Block> {
    blocks_for(Reader::RemoteMachine)
}

/// The block that installs imgurd and gets the first token.
pub(crate) fn start_block() -> Block {
    let mut blocks = blocks_for(Reader::Newcomer).into_iter();
    blocks.find(|block| block.text.contains("make install")).expect("a block runs `make install`")
}

/// Runs a block in the environment.
fn try_in(environment: &Environment, block: &Block) {
    // Only a clone has a Makefile.
    let is_clone = block.text.lines().any(|line| line.starts_with("make "));
    let directory = if is_clone { repository().to_owned() } else { environment.bed.home() };
    // A block about rejecting a token needs a dead one.
    let rejects = ["imgurctl reject", "RejectToken", "reject_token", "imgurd.reject", "await reject"]
        .iter()
        .any(|word| block.text.contains(word));
    if rejects {
        environment.fake.kill_access_token();
    }
    if block.text.contains("token.json") {
        let (refresh_token, access_token) = environment.fake.issue_grant("alice");
        let grant = json!({ "access_token": access_token, "refresh_token": refresh_token });
        fs::write(directory.join("token.json"), grant.to_string()).unwrap();
    }
    if block.language == "console" {
        return compare(environment, block);
    }
    let (refreshes, place) = (environment.refreshes(), block.place());
    let (program, arguments) = match block.language.as_str() {
        "sh" => ("sh".into(), vec!["-exc", &block.text]),
        "js" => {
            (node(&environment.bed).get_program().to_owned(), vec!["--input-type=module", "-e", &block.text])
        }
        "python" => (python(&environment.bed).get_program().to_owned(), vec!["-c", &block.text]),
        _ => (binary("readme-rust").into(), vec![&*place]),
    };
    let mut command = environment.command(&directory, program);
    command.args(arguments);
    let seen = environment.run(command, &place);
    // curl succeeds with any status.
    if let Some(last) = environment.fake.requests(Endpoint::Images).last() {
        assert_eq!(last.status, Some(200), "{seen}");
    }
    if rejects {
        assert_eq!(environment.refreshes(), refreshes + 1, "a rejected token causes one refresh\n{seen}");
    }
}

/// Runs each line that begins with `$` and compares its output with the lines that follow. `…` stands for any text.
fn compare(environment: &Environment, block: &Block) {
    for part in block.text.split("$ ").skip(1) {
        let (line, expected) = part.split_once('\n').unwrap();
        let mut command = environment.command(&environment.bed.home(), "sh");
        command.args(["-c", &format!("{line} 2>&1")]);
        let printed = environment.bed.start(command).finish().stdout;
        let mut rest = printed.as_str();
        for (number, piece) in expected.split('…').enumerate() {
            let at = rest.find(piece).filter(|at| number > 0 || *at == 0);
            let at = at.unwrap_or_else(|| panic!("{}: {line} printed\n{printed}", block.place()));
            rest = &rest[at + piece.len()..];
        }
        assert_eq!(rest, "", "{}: {line} printed more\n{printed}", block.place());
    }
}

#[test]
fn following_the_readme_leads_to_a_token() {
    let environment = Environment::newcomer();
    for block in blocks_for(Reader::Newcomer) {
        try_in(&environment, &block);
    }
    let token = environment.bed.ctl(&["token"]).success();
    assert!(environment.fake.is_live(token.line()));
    assert!(environment.bed.home().join(".local/bin/imgurctl").is_file(), "imgurctl is installed");
}

#[test]
fn shell_blocks_for_users_work() {
    for block in blocks_for(Reader::User) {
        try_in(&Environment::signed_in(), &block);
    }
}

#[test]
fn programs_in_the_documents_get_tokens() {
    for block in blocks_for(Reader::Program) {
        try_in(&Environment::signed_in(), &block);
    }
}

#[test]
fn every_command_in_the_documents_exists() {
    let bed = Testbed::new();
    let mut count = 0;
    for (document, span) in
        DOCUMENTS.iter().flat_map(|(document, text)| spans(text).map(move |it| (document, it)))
    {
        let Some(arguments) = span.strip_prefix("imgurctl ") else { continue };
        // The rest is for the shell or for another program.
        let arguments = arguments.split(['<', '>', '|']).next().unwrap_or_default();
        let arguments = arguments.split(" -- ").next().unwrap_or_default();
        let help: Vec<_> = arguments.split_whitespace().chain(["--help"]).collect();
        let output = bed.ctl(&help);
        assert_eq!(output.code, Some(0), "{document}: `{span}`: {}", output.stderr);
        count += 1;
    }
    assert!(count > 10, "the text was read");
}

#[test]
fn top_level_documents_are_short() {
    let lines = |file: &Path| fs::read_to_string(file).unwrap().lines().count();
    let readme = lines(&repository().join("README.md"));
    assert!(readme <= 180, "README.md has {readme} lines");
    let files = fs::read_dir(repository()).unwrap().map(|entry| entry.unwrap().path());
    for file in files.filter(|file| file.extension().is_some_and(|extension| extension == "md")) {
        assert!(lines(&file) <= readme, "{} is longer than README.md", file.display());
    }
}

/// Returns the texts between backquotes, which may span two lines.
fn spans(markdown: &str) -> impl Iterator<Item = String> {
    let prose = markdown.split("```").step_by(2).collect::<Vec<_>>().join("\n\n");
    let spans = prose.split("\n\n").flat_map(|paragraph| paragraph.split('`').skip(1).step_by(2));
    let spans: Vec<_> = spans.map(|span| span.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    spans.into_iter()
}

#[test]
fn finds_blocks_with_their_places() {
    let text = "# A\n```sh\nx\n\ny\n```\n## B\n1. In a list:\n   ```toml,more\n   a = 1\n   ```\n";
    let found = blocks("README.md", text);
    let seen: Vec<_> = found.iter().map(|it| (&*it.section, it.line, &*it.language, &*it.text)).collect();
    assert_eq!(seen, [("A", 3, "sh", "x\n\ny\n"), ("B", 10, "toml", "a = 1\n")]);
}

#[test]
#[should_panic(expected = "nobody tries brainfuck")]
fn a_block_without_a_reader_fails() {
    let _ = blocks("README.md", "# A\n```brainfuck\n+\n```\n").iter().map(Reader::of).count();
}
