use super::*;
use policy::StateType;
use proptest::prelude::*;

fn read_text(text: &str) -> Result<Invocation, String> {
    let argv: Vec<OsString> =
        text.split(' ').map(|word| if word == "''" { "".into() } else { word.into() }).collect();
    read(&argv).map_err(|problem| problem.to_string())
}

#[test]
fn parses_the_call_in_commands_cfg() {
    let call = read_text(
        "CRITICAL SOFT 3 --host web1 --address 192.0.2.1 --service HTTP --max-attempts 4 \
         --host-state UP \
         --last-state CRITICAL --downtime 0 --host-downtime 0 --problem-id 12 --repair httpd --seen \
         1700000000",
    )
    .unwrap();
    assert_eq!(
        (call.event.state, call.event.state_type, call.event.attempt),
        (ObjectState::Critical, StateType::Soft, 3)
    );
    assert_eq!((call.address.as_str(), call.event.max_attempts), ("192.0.2.1", Some(4)));
    assert_eq!(
        (call.event.problem_id.as_deref(), call.event.host_state),
        (Some("12"), Some(ObjectState::Up))
    );
    assert_eq!(call.options.seen, Some(UNIX_EPOCH + Duration::from_secs(1_700_000_000)));
}

#[test]
fn reads_time_of_the_check_with_and_without_decimals() {
    let seen = |text: &str| {
        let call = read_text(&format!("CRITICAL HARD 4 --host web1 --service HTTP --seen {text}"));
        call.map(|call| call.options.seen)
    };
    let half = UNIX_EPOCH + Duration::from_millis(1_700_000_000_500);
    assert_eq!(seen("1700000000.500000"), Ok(Some(half)));
    for none in ["''", "0", "$LASTSERVICECHECK$"] {
        assert_eq!(seen(none), Ok(None), "{none}");
    }
    for bad in ["NaN", "inf", "1e300", "now"] {
        assert!(seen(bad).is_err_and(|why| why.contains("--seen")), "{bad}");
    }
}

#[test]
fn ignores_empty_and_unexpanded_macros() {
    let call = read_text(
        "CRITICAL SOFT 3 --host web1 --address '' --service HTTP --max-attempts \
         $MAXSERVICEATTEMPTS$ --host-state '' \
         --downtime $SERVICEDOWNTIME$ --problem-id 0 --repair $_SERVICEREPAIR$",
    )
    .unwrap();
    assert_eq!(
        (call.address.as_str(), call.event.max_attempts, call.event.host_state),
        ("web1", None, None)
    );
    assert_eq!((call.event.downtime, call.event.problem_id, call.event.repair), (0, None, None));
    assert_eq!(
        read_text("DOWN HARD 1 --host web1 --service $SERVICEDESC$").unwrap().event.service,
        None
    );
}

#[test]
fn names_the_rejected_argument() {
    for (text, wanted) in [
        ("CRITICAL SOFT --host web1", "<ATTEMPT>"),
        ("CRITICAL SOFT 3 4 --host web1", "'4'"),
        ("CRITICAL SOFT 3", "--host"),
        ("CRITICAL SOFT 3 --host ''", "--host"),
        ("CRITICAL SOFT 3 --host $HOSTNAME$", "--host"),
        ("CRITICAL SOFT x --host web1 --service HTTP", "'x'"),
        ("CRITICAL SOFT -1 --host web1 --service HTTP", "'-1'"),
        ("CRITICAL FIRM 3 --host web1 --service HTTP", "'FIRM'"),
        ("critical SOFT 3 --host web1 --service HTTP", "'critical'"),
        ("CRITICAL SOFT 3 --host web1", "'CRITICAL' is not a host state"),
        ("CRITICAL SOFT 3 --host web1 --service ''", "--service must be given and not empty"),
        ("DOWN SOFT 3 --host web1 --service HTTP", "'DOWN' is not a service state"),
        ("CRITICAL SOFT 3 --host -oProxyCommand=x --service HTTP", "-o"),
        ("CRITICAL SOFT 3 --host=-oProxyCommand=x --service HTTP", "--host"),
        ("CRITICAL SOFT 3 --host web1 --service a;b", "--service"),
        ("CRITICAL SOFT 3 --host web1 --service HTTP --repair a;id", "--repair"),
        ("CRITICAL SOFT 3 --host web1 --service HTTP --host-state MAYBE", "--host-state"),
        ("CRITICAL SOFT 3 --host web1 --service HTTP --max-attempts many", "--max-attempts"),
        ("CRITICAL SOFT 3 --host web1 --servce HTTP", "--servce"),
    ] {
        let refusal = read_text(text).unwrap_err();
        assert!(
            refusal.contains(wanted) && refusal.ends_with("nothing was run"),
            "{text}: {refusal}"
        );
        assert!(!refusal.contains('\n'), "{text}: {refusal}");
    }
}

#[test]
fn fills_placeholders_once_without_splitting_words() {
    let call =
        read_text("CRITICAL SOFT 3 --host {address} --address 192.0.2.1 --service a'b").unwrap();
    let argv = ["{host}:{address}", "-r", "{2,3}{", "{service}"].map(str::to_owned);
    assert_eq!(call.fill(&argv), ["{address}:192.0.2.1", "-r", "{2,3}{", "a'b"]);
}

#[test]
fn escapes_names_for_display_and_passes_their_bytes_to_commands() {
    let word = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    let read_host = |host: &[u8]| {
        let argv = ["CRITICAL", "HARD", "4", "--service"].map(OsString::from);
        let service = word(b"Gr\xf6\xdfe C:\\xfade {host}");
        read(&[argv.as_slice(), &[service, "--host".into(), word(host)]].concat())
    };
    let call = read_host(b"w\xe4b1").unwrap();
    assert_eq!(call.event.object(), r"w\xE4b1/Gr\xF6\xDFe C:\x5Cxfade {host}");
    assert_eq!(call.address, r"w\xE4b1");
    let argv = ["{host}", r"-r \x41", "{service}"].map(str::to_owned);
    let filled = [b"w\xe4b1".as_slice(), br"-r \x41", b"Gr\xf6\xdfe C:\\xfade {host}"];
    assert_eq!(call.fill(&argv), filled.map(word));
    assert_eq!(call.filled_text(&argv), r"w\xE4b1 -r \x41 Gr\xF6\xDFe C:\x5Cxfade {host}");
    // A character that could end a line or a field is refused, however it is encoded.
    for hostile in [b"w\n1".as_slice(), "w\u{9b}1".as_bytes(), b"w\xe4;1", b"w\xe4\x7f"] {
        let refusal = read_host(hostile).unwrap_err().to_string();
        assert!(refusal.contains("--host") && !refusal.contains(char::is_control), "{refusal}");
    }
    assert_eq!(read_host(br"w\x0A1").unwrap().event.host, r"w\x5Cx0A1");
}

#[test]
fn help_fits_80_columns() {
    let help = command().render_long_help().to_string();
    for line in help.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

proptest! {
    #[test]
    fn never_panics_on_random_arguments(
        words in prop::collection::vec(prop::collection::vec(1_u8.., 0..12), 0..8),
    ) {
        let argv: Vec<OsString> = words.into_iter().map(OsString::from_vec).collect();
        let _ = read(&argv);
    }
}
