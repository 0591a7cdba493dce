//! The formats in which grants occur. Each line is a test case.

use proptest::prelude::*;
use rstest::rstest;

use super::*;

const IMGUR: Target<'_> =
    Target { client_id: Some("c9"), token_url: "https://api.imgur.com/oauth2/token", issuer: None };

fn taken(text: &str) -> Result<Candidate, String> {
    choose(read(text), &IMGUR).one(None).map_err(|error| error.to_string())
}

#[rstest]
// A refresh token alone, as it is copied.
#[case("RT")]
#[case(" \u{feff}RT\r\n")]
#[case("\"RT\"")]
#[case("\u{200b}'RT' ")]
#[case("\u{a0}“RT”\u{2028}")]
#[case("\u{202e}«RT»")]
// Token JSON.
#[case(r#"{"refresh_token":"RT"}"#)]
#[case("\u{feff}{\"access_token\":\"AT\",\"refresh_token\":\"RT\",\"client_id\":\"c9\"}\r\n")]
#[case(r#"{"data":{"refresh_token":"RT","account_id":9042594},"success":true,"status":200}"#)]
#[case(
    r#"{"refresh_token":"RT","old":{"refresh_token":"RT","client_id":"{{id}}"},"n":[1,-1,1.5,null,true]}"#
)]
#[case("{\"refresh_token\":\"\u{feff}RT\u{a0}\",\"client_id\":\"\u{200b}c9 \"}")]
#[case(r#"{"refresh_token":"\u0052T","client_id":"\"c9\"","client_secret":"a\u0000b"}"#)]
// Addresses, whole and in parts.
#[case(
    "https://my.example/callback?state=S#access_token=AT&expires_in=1&token_type=bearer&refresh_token=RT&account_username=alice"
)]
#[case("my.example/#access_token=AT&refresh_token=RT")]
#[case("#access_token=AT&refresh_token=RT")]
#[case("?refresh_token=RT&state=S")]
#[case("access_token=AT&refresh_token=RT")]
#[case("<https://my.example/#refresh_token=RT>")]
// Lines: dotenv, shells, INI, YAML, Python.
#[case("IMGUR_REFRESH_TOKEN=RT")]
#[case("export IMGUR_REFRESH_TOKEN=\"RT\"\n")]
#[case("# mine\nIMGUR_CLIENT_ID=c9\nIMGUR_CLIENT_SECRET='fake'\nIMGUR_REFRESH_TOKEN='RT' # keep\n")]
#[case("set IMGUR_REFRESH_TOKEN=RT\r\nset IMGUR_CLIENT_ID=c9\r\n")]
#[case("$env:IMGUR_REFRESH_TOKEN = \"RT\"")]
#[case("refresh_token: RT\naccess_token: AT\n")]
#[case("configuration = {\n    'client_id': 'c9',\n    'refresh_token': 'RT',\n}\n")]
#[case("[credentials]\nclient_id = c9\nrefresh_token = RT\n")]
#[case("refreshToken=RT")]
#[case("{'access_token': 'AT', 'expires_in': 3600, 'refresh_token': 'RT', 'scope': None, 'ok': True}")]
#[case("{'imgur': {'refresh_token': 'RT', 'client_id': 'c9'}, 'google': {'refresh_token': 'GR'}}")]
#[case("{\n  refreshToken: 'RT',\n  clientId: \"c9\",\n}")]
// JSON with a comma too many, behind the head of an answer, and as a value.
#[case("{\"access_token\":\"AT\",\"refresh_token\":\"RT\",\"url\":\"https:\\/\\/api.imgur.com\\/3\",}")]
#[case(
    "HTTP/2 200 \r\nserver: cloudflare\r\nset-cookie: a=b\r\n\r\n{\"access_token\":\"AT\",\"refresh_token\":\"RT\"}\r\n"
)]
#[case("The answer was:\n{\n  \"refresh_token\": \"RT\"\n}\n")]
#[case(
    "[imgur]\ntype = imgur\ntoken = {\"access_token\":\"AT\",\"refresh_token\":\"RT\",\"expiry\":\"2026-01-01T00:00:00Z\"}\n"
)]
#[case("IMGUR_TOKEN='{\"refresh_token\":\"RT\"}'\n")]
#[case("{u'refresh_token': u'RT', u'expires_in': 3600}")]
#[case("refresh_token: >-\n  RT\naccess_token: AT\n")]
#[case("#access_token=A&amp;refresh_token=RT")]
// csh, fish, comments of INI, and YAML's flow style, tags and anchors.
#[case("setenv IMGUR_REFRESH_TOKEN RT\n")]
#[case("set -gx IMGUR_REFRESH_TOKEN 'RT'\nset -gx IMGUR_CLIENT_ID c9\n")]
#[case("[imgur]\nrefresh_token = RT ; do not lose it\n")]
#[case("imgur: {refresh_token: RT, client_id: c9}\n")]
#[case("refresh_token: !!str RT\n")]
#[case("imgur:\n  refresh_token: &token RT\n")]
// An address in a sentence.
#[case("https://imgur.com/#access_token=AT&refresh_token=RT.")]
#[case("(https://imgur.com/#access_token=AT&amp;refresh_token=RT),")]
#[case("<https://imgur.com/#access_token=AT&refresh_token=RT>;")]
// From a web page, in a Markdown fence, and JSON as a string of JSON.
#[case("<pre>{\"access_token\":\"AT\",\"refresh_token\":\"RT\"}</pre>")]
#[case(
    "<!DOCTYPE html><html><body><pre>{&quot;access_token&quot;:&quot;AT&quot;,&quot;refresh_token&quot;:&quot;RT&quot;}</pre></body></html>"
)]
#[case("{&#34;refresh_token&#34;:&#34;RT&#34;}")]
#[case("```json\n{\n  \"refresh_token\": \"RT\"\n}\n```\n")]
#[case(r#""{\"access_token\":\"AT\",\"refresh_token\":\"RT\"}""#)]
#[case(r#"{"name":"imgur","token":"{\"access_token\":\"AT\",\"refresh_token\":\"RT\"}"}"#)]
#[case(r#"{"data":{"access_token":"AT","refresh_token":"RT"},"success":true,"status":200}"#)]
#[case(r#"{"status":200,"body":"{\"refresh_token\":\"RT\"}"}"#)]
// imgur-screenshot.
#[case("access_token=\"AT\"\nrefresh_token=\"RT\"\ntoken_expire_time=\"1700000000\"\n")]
// ksnip.
#[case(
    "[Application]\nSaveDirectory=/home/me\n\n[Imgur]\nAccessToken=@ByteArray(AT)\nClientId=c9\nClientSecret=@ByteArray(fake)\nRefreshToken=@ByteArray(RT)\nUsername=alice\n"
)]
// Shutter.
#[case(r#"{"client_id":"c9","client_secret":"fake","access_token":"AT","refresh_token":"RT","expires_in":315360000,"account_username":"alice","account_id":1}"#)]
// ShareX, with grants of three services.
#[case(r#"{"ImgurAccountType":1,"ImgurOAuth2Info":{"Client_ID":"c9","Client_Secret":"fake","Token":{"access_token":"AT","refresh_token":"RT","expires_in":315360000,"token_type":"bearer","scope":null,"ExpireDate":"2035-01-01T00:00:00"}},"DropboxOAuth2Info":{"Client_ID":"d","Token":{"refresh_token":"DR"}},"OneDriveV2OAuth2Info":{"Client_ID":null,"Token":{"refresh_token":"OR"}}}"#)]
// Environments that hold several services.
#[case("DROPBOX_REFRESH_TOKEN=DR\nIMGUR_REFRESH_TOKEN=RT\nGOOGLE_REFRESH_TOKEN=GR\n")]
#[case("[dropbox]\nrefresh_token=DR\n[imgur]\nrefresh_token=RT\n")]
fn finds_the_grant(#[case] text: &str) {
    assert_eq!(taken(text).map(|found| found.refresh_token), Ok(Secret::from("RT")), "{text}");
}

#[rstest]
#[case("curl -d refresh_token=0123abcd -d client_id=c9 https://api.imgur.com/oauth2/token")]
#[case("curl --form \"refresh_token=0123abcd\" --form client_id=c9 https://api.imgur.com/oauth2/token")]
#[case(
    "curl -d 'grant_type=refresh_token&refresh_token=0123%61bcd&client_id=c9' https://api.imgur.com/oauth2/token"
)]
#[case("docker run -e IMGUR_REFRESH_TOKEN=0123abcd image")]
#[case("FROM debian\nENV IMGUR_REFRESH_TOKEN 0123abcd\n")]
#[case("ENV IMGUR_REFRESH_TOKEN=0123abcd\n")]
#[case("[Service]\nEnvironment=IMGUR_REFRESH_TOKEN=0123abcd\n")]
#[case("[Service]\nEnvironment=\"IMGUR_REFRESH_TOKEN=0123abcd\"\n")]
#[case("Token Name\nimgur\nAccess Token\nAT\nToken Type\nbearer\nrefresh_token\n0123abcd\n")]
#[case("Access Token\nAT\nRefresh Token\n0123abcd\n")]
#[case("Refresh Token\t0123abcd\tScope\tread\n")]
#[case("<refresh_token>0123abcd</refresh_token>")]
#[case(
    "<Token><access_token>AT</access_token><refresh_token>0123abcd</refresh_token><client_id>c9</client_id></Token>"
)]
#[case(
    "<dict>\n<key>refresh_token</key>\n<string>0123abcd</string>\n<key>scope</key>\n<string>1234567a</string></dict>"
)]
#[case("{:access_token=>\"AT\", :refresh_token=>\"0123abcd\"}")]
#[case("$token = ['access_token' => 'AT', 'refresh_token' => '0123abcd'];")]
#[case("Array\n(\n    [access_token] => AT\n    [refresh_token] => 0123abcd\n)\n")]
#[case("array(1) {\n  [\"refresh_token\"]=>\n  string(8) \"0123abcd\"\n}\n")]
#[case("process.env.IMGUR_REFRESH_TOKEN = '0123abcd';")]
#[case("My refresh-token: 0123abcd. Keep it.")]
#[case("print \"{\\\"refresh_token\\\":\\\"0123abcd\\\"}\" here")]
fn finds_a_refresh_token_behind_its_name(#[case] text: &str) {
    assert_eq!(taken(text).map(|found| found.refresh_token), Ok(Secret::from("0123abcd")), "{text}");
}

#[rstest]
#[case(
    "curl -d refresh_token=0123abcd -d client_id=another https://api.imgur.com/oauth2/token",
    "The client ID"
)]
#[case("curl -d refresh_token=0123abcd https://oauth2.example/token", "may contain another service's")]
#[case("docker run -e DROPBOX_REFRESH_TOKEN=0123abcd image", "may contain another service's")]
#[case(
    "docker run -e IMGUR_REFRESH_TOKEN=0123abcd -e IMGUR_REFRESH_TOKEN=4567abcd image",
    "several refresh tokens"
)]
fn sends_no_labelled_token_in_doubt(#[case] text: &str, #[case] why: &str) {
    let error = taken(text).unwrap_err();
    assert!(error.contains(why) && !error.contains("0123abcd"), "{error}");
}

#[rstest]
#[case("{\"a\":{\"refresh_token\":\"RT1\"},\"b\":{\"refresh_token\":\"RT2\"}}")]
#[case(r#"[{"refresh_token":"RT1"},{"refresh_token":"RT2"}]"#)]
#[case(r#"{"refresh_token":"RT1","refresh_token":"RT2"}"#)]
#[case("#refresh_token=RT1&refresh_token=RT2")]
#[case("refresh_token=RT1\nrefresh_token=RT2\n")]
#[case("{\"refresh_token\":\"RT1\"}\n{\"refresh_token\":\"RT2\"}")]
#[case("{\"refresh_token\":\"RT1\"},{\"refresh_token\":\"RT2\"}")]
#[case("HTTP/1.1 200 OK\n\n{\"refresh_token\":\"RT1\"}\nHTTP/1.1 200 OK\n\n{\"refresh_token\":\"RT2\"}\n")]
#[case("IMGUR_REFRESH_TOKEN=RT1\nIMGUR_OLD_REFRESH_TOKEN=RT2\n")]
fn chooses_none_of_several_grants_unless_one_is_picked(#[case] text: &str) {
    let error = taken(text).unwrap_err();
    assert!(error.contains("several refresh tokens") && error.contains("--pick"), "{error}");
    assert!(!error.contains("RT1") && !error.contains("RT2"), "{error}");
    let picked: Vec<_> = (1..=2).map(|pick| choose(read(text), &IMGUR).one(Some(pick)).unwrap()).collect();
    assert_ne!(picked[0].refresh_token, picked[1].refresh_token);
    for pick in [0, 3] {
        let error = choose(read(text), &IMGUR).one(Some(pick)).unwrap_err();
        assert!(matches!(error, crate::Error::InvalidArgument { field, .. } if field == "pick"));
    }
}

#[test]
fn a_number_for_the_only_grant_is_explained() {
    let error = choose(read("refresh_token=RT"), &IMGUR).one(Some(2)).unwrap_err().to_string();
    assert!(error.contains("only one refresh token") && error.contains("leave out `--pick`"), "{error}");
}

#[rstest]
#[case(r#"{"refresh_token":"RT","client_id":"another"}"#, "client ID")]
#[case(r#"{"refresh_token":"RT","token_url":"https://other.example/token"}"#, "token URL")]
#[case(r#"{"auth":{"oauth2":[{"key":"accessTokenUrl","value":"https://other.example/token"},{"key":"refreshToken","value":"RT"}]}}"#, "token URL")]
#[case(
    r#"{"auth":{"oauth2":[{"key":"clientId","value":"zzz"},{"key":"refreshToken","value":"RT"}]}}"#,
    "client ID"
)]
#[case("https://as.example/#access_token=A&refresh_token=RT&client_id=another", "client ID")]
#[case("GOOGLE_CLIENT_ID=g\nREFRESH_TOKEN=RT\n", "client ID")]
#[case("[imgur]\nclient_id=another\nrefresh_token=RT\n", "client ID")]
fn refuses_a_grant_of_another_client_or_server(#[case] text: &str, #[case] what: &str) {
    let error = taken(text).unwrap_err();
    assert!(error.contains(&format!("The {what} in the text")) && !error.contains("RT"), "{error}");
}

#[rstest]
#[case("DROPBOX_REFRESH_TOKEN=RT")]
#[case("[Google]\nRefreshToken=RT\n")]
#[case(r#"{"DropboxOAuth2Info":{"Token":{"refresh_token":"RT"}}}"#)]
#[case("google:\n  refresh_token: RT\n")]
#[case("dropbox:\n  oauth:\n    refresh_token: RT\n")]
#[case(r#"{"refresh_token":"RT","iss":"https://accounts.google.com"}"#)]
#[case(r#"{"refresh_token":"RT","issuer":"https://login.example/tenant"}"#)]
#[case(r#"{"refresh_token":"RT","auth_uri":"https://accounts.google.com/o/oauth2/auth"}"#)]
#[case(r#"{"refresh_token":"RT","provider":"google"}"#)]
#[case(r#"{"host":"gitlab.example","grant":{"refresh_token":"RT"}}"#)]
#[case("HOST=gitlab.example\nREFRESH_TOKEN=RT\n")]
#[case("POST /token HTTP/1.1\nHost: evil.example\n\n{\"refresh_token\":\"RT\"}")]
fn uses_a_possible_grant_of_another_service_only_if_picked(#[case] text: &str) {
    let error = taken(text).unwrap_err();
    assert!(error.contains("may contain another service's") && !error.contains("RT"), "{error}");
    assert_eq!(choose(read(text), &IMGUR).one(Some(1)).unwrap().refresh_token, Secret::from("RT"));
}

#[rstest]
#[case("")]
#[case("two words")]
#[case("{")]
#[case("{\"access_token\":\"AT\"}")]
#[case("#access_token=AT&expires_in=1")]
#[case("https://imgur.com/a/abc")]
#[case("refresh_token=")]
#[case("{\"refresh_token\":\"[REDACTED]\"}")]
#[case("refresh_token=SecretStr('**********')")]
#[case("undefined")]
#[case("true")]
#[case("your-refresh-token-here")]
#[case("IMGUR_REFRESH_TOKEN=your-refresh-token-2-here")]
#[case("IMGUR_REFRESH_TOKEN=xxxxxxxx")]
#[case("alice@example.com")]
#[case("token.json")]
// `{"refresh_token":"0123abcd"}` in Base64, and with a space and two before its name.
#[case("eyJyZWZyZXNoX3Rva2VuIjoiMDEyM2FiY2QifQ==")]
#[case("eyAicmVmcmVzaF90b2tlbiI6IjAxMjNhYmNkIn0=")]
#[case("eyAgInJlZnJlc2hfdG9rZW4iOiIwMTIzYWJjZCJ9")]
// A name, and nothing that is certainly its value.
#[case("curl -d refresh_token= -d client_id=0123456789abcde URL")]
#[case("run -e REFRESH_TOKEN=\nrun -e OTHER0123=x")]
#[case("run -e REFRESH_TOKEN=\"\" 0123456789")]
#[case("run -e REFRESH_TOKEN=$TOKEN_0123")]
#[case("run -e REFRESH_TOKEN=/run/secrets/0123 image")]
#[case("run -e REFRESH_TOKEN=0123abc image")]
#[case("run -e REFRESH_TOKEN=abcdefghijk image")]
#[case("run -e REFRESH_TOKEN=0123456789abc...")]
#[case("run -e REFRESH_TOKEN=0123456789abc\u{e9}")]
#[case("run -e REFRESH_TOKEN=[0123456789abc] image")]
#[case("the refresh_token_expires_in is 1700000000")]
#[case("<refresh_token></refresh_token><id>0123456789</id>")]
#[case("<key>refresh_token</key><string/><key>id0123456789</key>")]
#[case("<a><refresh_token>RT</refresh_token>0123456789</a>")]
#[case("a refresh token 0123456789")]
#[case("~/token.json")]
#[case("/home/me/token.json")]
#[case("refresh_token=$IMGUR_REFRESH_TOKEN")]
#[case("refresh_token=<your refresh token>")]
#[case(r#"{"values":[{"key":"refreshToken","value":"{{vault}}","enabled":true}]}"#)]
#[case(r#"{"values":[{"key":"refreshToken","value":"RT","enabled":false}]}"#)]
#[case(r#"{"values":[{"key":"refreshToken"},{"value":"RT"},{"key":7,"value":"RT"}]}"#)]
#[case("refresh_token=a\u{7}b")]
#[case("{\"refresh_token\":\"a\\u0000b\"}")]
#[case("{\"refresh_token\":\"a\u{202e}b\"}")]
#[case("a\0")]
#[case("1%2F%2F0abc")]
#[case("?code=0123")]
#[case("https://imgur.com/#access_token=AT&refresh_token=RT...")]
#[case("refresh_token=RT&access_token=AT...")]
#[case("0123456789\u{2026}")]
#[case("0123456789...\n")]
#[case("sta*te=STATE")]
#[case("IMGUR_TOKEN_FILE=secret")]
#[case("imgur.com/a/abc")]
#[case("a\u{200b}b")]
#[case("<html>refresh token</html>")]
fn finds_no_grant_in_other_texts(#[case] text: &str) {
    assert!(taken(text).unwrap_err().contains("no refresh token"), "{text}");
}

#[rstest]
// *Manage Access Tokens*, as it is shown and copied.
#[case(r#"{"name":"mytoken","access_token":"AT","expires_in":315360000,"token_type":"bearer","refresh_token":"RT","account_username":"alice","account_id":9042594,"addTokenTo":"header"}"#)]
#[case(r#"[{"name":"old","access_token":"x"},{"access_token":"AT","refresh_token":"RT","account_username":"alice"}]"#)]
// An environment, with names as they are in use for Imgur's API.
#[case(r#"{"id":"0f1e","name":"Imgur","values":[{"key":"baseUrl","value":"https://api.imgur.com","enabled":true},{"key":"accessToken","value":"AT","type":"secret","enabled":true},{"key":"refreshToken","value":"RT","enabled":true},{"key":"username","value":"alice","enabled":true}],"_postman_variable_scope":"environment"}"#)]
#[case(r#"{"values":[{"key":"refresh_token","value":"spent","enabled":false},{"key":"IMGUR_REFRESH_TOKEN","value":"RT"},{"key":"IMGUR_ACCESS_TOKEN","value":"AT"},{"key":"account_username","value":"alice"}]}"#)]
// A collection of version 2.1, with another API's grant before ours.
#[case(r#"{"info":{"name":"APIs","schema":"https://schema.getpostman.com/json/collection/v2.1.0/collection.json"},"auth":{"type":"oauth2","oauth2":[{"key":"accessToken","value":"{{accessToken}}","type":"string"}]},"item":[{"name":"Files","auth":{"type":"oauth2","oauth2":[{"key":"accessTokenUrl","value":"https://api.dropbox.example/oauth2/token"},{"key":"refreshToken","value":"DR"}]}},{"name":"Account","auth":{"type":"oauth2","oauth2":[{"key":"clientId","value":"c9","type":"string"},{"key":"accessToken","value":"AT","type":"string"},{"key":"refreshToken","value":"RT","type":"string"},{"key":"username","value":"alice","type":"string"}]},"item":[]}]}"#)]
// One of version 2.0: parameters by name.
#[case(r#"{"item":[{"request":{"auth":{"type":"oauth2","oauth2":{"accessToken":"AT","refreshToken":"RT","tokenType":"bearer","username":"alice"}}}}]}"#)]
// Variables of the collection.
#[case(r#"{"info":{},"item":[],"variable":[{"key":"accessToken","value":"AT"},{"key":"refreshToken","value":"RT"},{"key":"username","value":"alice"}]}"#)]
fn reads_postmans_tokens_environments_and_collections(#[case] text: &str) {
    let found = taken(text).unwrap();
    assert_eq!(found.refresh_token, Secret::from("RT"));
    assert_eq!(found.access_token, Some(Secret::from("AT")));
    assert_eq!(found.username.as_deref(), Some("alice"));
}

/// `$` begins a shell variable, and may begin a token.
#[test]
fn a_token_may_begin_with_a_dollar_sign() {
    for token in ["$2y$10$abcd", "$-x", "a$b"] {
        let found = taken(&format!("{{\"refresh_token\":\"{token}\"}}")).unwrap();
        assert_eq!(found.refresh_token, Secret::from(token));
    }
    for variable in ["$TOKEN", "${TOKEN}", "$(pass imgur)", "$env:TOKEN", "$"] {
        assert!(taken(&format!("refresh_token={variable}")).is_err(), "{variable}");
    }
}

/// A user who adds an account with it learns that it is invalid.
#[test]
fn passes_on_an_invalid_client_secret() {
    let found = taken("refresh_token=RT\nclient_secret=caf\u{e9}\n").unwrap();
    assert_eq!(found.client_secret, Some(Secret::from("café")));
}

#[test]
fn recognises_the_server_by_any_word_of_its_host() {
    let gitlab =
        Target { client_id: None, token_url: "https://gitlab.example.com/oauth/token", issuer: None };
    let text = "GITHUB_REFRESH_TOKEN=other\nGITLAB_REFRESH_TOKEN=RT\n";
    assert_eq!(choose(read(text), &gitlab).one(None).unwrap().refresh_token, Secret::from("RT"));
}

/// The text names the account's own service.
#[rstest]
#[case(r#"{"refresh_token":"RT","provider":"Imgur","api_url":"https://api.imgur.com/3/"}"#)]
#[case(r#"{"refresh_token":"RT","iss":"https://api.imgur.com"}"#)]
#[case("imgur:\n  oauth:\n    refresh_token: RT\n")]
#[case("tokens:\n  refresh_token: RT\n")]
fn accepts_a_text_that_names_the_accounts_service(#[case] text: &str) {
    assert_eq!(taken(text).unwrap().refresh_token, Secret::from("RT"));
}

#[test]
fn reads_the_client_with_the_grant() {
    let text = "[Imgur]\nClientId=c9\nClientSecret=\"fake secret\"\nRefreshToken=RT\n";
    let found = taken(text).unwrap();
    assert_eq!((found.client_id.as_deref(), found.client_secret), (Some("c9"), Some("fake secret".into())));
}

#[test]
fn reads_a_large_export_but_not_deep_nesting() {
    let filler =
        r#"{"name":"x","request":{"method":"GET","url":"https://api.imgur.com/3/image"}},"#.repeat(2000);
    let text = format!(r#"{{"item":[{filler}{{"oauth2":[{{"key":"refreshToken","value":"RT"}}]}}]}}"#);
    assert_eq!(taken(&text).unwrap().refresh_token, Secret::from("RT"));
    let nested = format!("{}{}{}", "[".repeat(9000), r#"{"refreshToken":"RT"}"#, "]".repeat(9000));
    assert!(taken(&nested).is_err());
}

proptest! {
    #[test]
    fn finds_only_credentials_and_never_quotes_them_in_errors(text in "(.{0,40}|[\\[\\]{}\":=&#?a-zA-Z_\n ]{0,80})", token in "[!-~]{8,40}") {
        for candidate in read(&text) {
            prop_assert!(crate::text::is_credential(candidate.refresh_token.expose()));
        }
        for text in [format!("{text}\nrefresh_token={token}\n"), format!("{{\"refresh_token\":{token:?},\"client_id\":\"other\"}}")] {
            if let Err(error) = taken(&text) {
                prop_assert!(!error.contains(&token), "{}", error);
            }
        }
    }
}
