use clap::CommandFactory;

use super::usage_error::{GUESSES, usage_failure};
use super::*;

fn parse(line: &str) -> Result<Command, clap::Error> {
    Cli::try_parse_from(line.split(' ')).map(|cli| cli.command)
}

fn refusal(line: &str) -> String {
    usage_failure(&parse(line).expect_err("refused")).to_string()
}

#[test]
fn the_grammar_is_valid() {
    Cli::command().debug_assert();
}

#[test]
fn token_without_options_means_what_the_grammar_says() {
    let words = [OsString::from("imgurctl"), OsString::from("token")];
    let parsed = Cli::try_parse_from(&words).expect("parses");
    assert_eq!(format!("{:?}", read(&words).expect("parses")), format!("{parsed:?}"));
}

#[test]
fn suggests_the_right_command_for_a_wrong_guess() {
    assert_eq!(
        refusal("imgurctl whoami"),
        "there is no command whoami; use `imgurctl status`, or see `imgurctl --help`"
    );
    for (group, words, instead) in GUESSES {
        let is_ours = instead.starts_with("imgurctl") && !instead.contains(" --");
        assert!(!is_ours || parse(instead).is_ok(), "{instead}");
        for word in words.iter().filter(|word| **word != "rename") {
            assert!(refusal(&format!("{group} {word}")).contains(instead), "{group} {word}");
        }
    }
}

#[test]
fn suggests_only_similar_words() {
    for (line, said) in [
        (
            "imgurctl account rename a b",
            "an account keeps its name; add another one with `imgurctl account add NAME`",
        ),
        ("imgurctl tokens", "there is no command tokens; use `imgurctl token`, or see `imgurctl --help`"),
        ("imgurctl log-in", "there is no command log-in; use `imgurctl login`, or see `imgurctl --help`"),
        ("imgurctl open", "there is no command open; see `imgurctl --help`"),
        ("imgurctl help me", "there is no command me; use `imgurctl status`, or see `imgurctl --help`"),
        (
            "imgurctl token --account me",
            "`imgurctl token` has no option --account; write the account's name without an option, or see `imgurctl token --help`",
        ),
        (
            "imgurctl token --hedaer",
            "`imgurctl token` has no option --hedaer; use --header, or see `imgurctl token --help`",
        ),
        ("imgurctl token --raw", "`imgurctl token` has no option --raw; see `imgurctl token --help`"),
    ] {
        assert_eq!(refusal(line), said);
    }
}

#[test]
fn accepts_global_options_after_the_command() {
    let cli =
        Cli::try_parse_from(["imgurctl", "status", "--json", "-q", "--color", "never"]).expect("parses");
    assert!(cli.global.json && cli.global.quiet);
    assert_eq!(cli.global.color, ColorChoice::Never);
}

#[test]
fn accepts_prefix_and_anonymous_only_with_header() {
    assert!(parse("imgurctl token --header --anonymous").is_ok());
    assert!(parse("imgurctl token --header --prefix token").is_ok());
    assert!(parse("imgurctl token --anonymous").is_err());
    assert!(parse("imgurctl token --prefix Bearer").is_err());
    assert!(parse("imgurctl token --header --anonymous --prefix x").is_err());
}

#[test]
fn says_that_a_wait_cannot_be_negative() {
    assert!(refusal("imgurctl token --wait -5s").contains("a duration cannot be negative"));
}

#[test]
fn refuses_an_invalid_account_name() {
    assert!(refusal("imgurctl account add a/b").contains("letters, digits"));
    assert!(refusal("imgurctl import a/b").contains("letters, digits"));
    assert!(parse(&format!("imgurctl account add {}", "a".repeat(65))).is_err());
    assert!(parse(&format!("imgurctl account add {}", "a".repeat(64))).is_ok());
}

#[test]
fn a_usage_error_is_one_line_that_points_to_the_help() {
    let text = refusal("imgurctl token --anonymous");
    assert!(!text.contains('\n'), "{text}");
    assert!(text.contains("--header"), "{text}");
    assert!(text.ends_with("; see `imgurctl token --help`"), "{text}");
}

#[test]
fn says_that_a_command_belongs_after_two_dashes() {
    for line in ["exec", "exec ls", "exec me ls", "exec ls -l", "curl account/me", "curl -s -- account/me"] {
        let text = refusal(&format!("imgurctl {line}"));
        assert!(text.contains("put it after `--`"), "{line}: {text}");
    }
    for line in ["exec -- ls -l", "exec me --env T -- ls --json", "curl -- -s account/me"] {
        assert!(parse(&format!("imgurctl {line}")).is_ok(), "{line}");
    }
}

#[test]
fn follow_requires_an_output_file() {
    assert!(parse("imgurctl token me --follow --output f --header").is_ok());
    assert!(parse("imgurctl token --follow").is_err());
    assert!(parse("imgurctl token --output f").is_err());
}

#[test]
fn lists_the_possible_flows() {
    let text = refusal("imgurctl login --flow magic");
    assert!(text.contains("[possible values: code, token, pin, device]"), "{text}");
}
