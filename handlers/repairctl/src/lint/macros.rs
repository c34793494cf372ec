//! Finds the macros in a command line as Nagios does.

use policy::spell;

/// How Nagios interprets a `$` in a command line and the text up to the next `$`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dollar {
    /// The start of a macro with this name.
    Macro(String),
    /// `$$`, which stands for one `$`.
    Escaped,
    /// Text between two `$` that is not a macro. Nagios passes it on unchanged, with both `$`.
    Text(String),
    /// An unpaired `$`, which can only be the last one in the line.
    Last,
}

/// Returns the byte offset of each `$` that opens a pair of `$`, and how Nagios interprets the
/// pair. Nagios forms the pairs from the left (`process_macros_r` in its core), so after a stray
/// `$` all pairs are wrong.
pub fn find(line: &[u8]) -> Vec<(usize, Dollar)> {
    let mut found = Vec::new();
    let mut places = line.iter().enumerate().filter(|(_, byte)| **byte == b'$').map(|(at, _)| at);
    while let Some(open) = places.next() {
        let dollar = match places.next() {
            None => Dollar::Last,
            Some(close) => kind(line.get(open + 1..close).unwrap_or_default()),
        };
        found.push((open, dollar));
    }
    found
}

fn kind(between: &[u8]) -> Dollar {
    let text = spell(between);
    match text.as_str() {
        "" => Dollar::Escaped,
        name if is_known(name) => Dollar::Macro(text),
        _ => Dollar::Text(text),
    }
}

/// Whether the text consists only of characters that can occur in macro names.
pub fn is_like_a_name(text: &str) -> bool {
    let is_of_a_name = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b':';
    !text.is_empty() && text.bytes().all(is_of_a_name)
}

/// Whether Nagios has a macro with this name. The name of an on-demand macro ends at the `:` before
/// the object's name.
fn is_known(name: &str) -> bool {
    let name = name.split(':').next().unwrap_or_default();
    let is_numbered = |kind: &str, most: u32| {
        let number = name.strip_prefix(kind).and_then(|digits| digits.parse::<u32>().ok());
        number.is_some_and(|number| (1..=most).contains(&number))
    };
    let is_custom = |kind: &str| name.strip_prefix(kind).is_some_and(|rest| !rest.is_empty());
    // Try `$ARGn$` first, because most macros in check commands have this form and a search through
    // all names is slow.
    is_numbered("ARG", 32)
        || is_numbered("USER", 256)
        || is_numbered("CONTACTADDRESS", 6)
        || ["_HOST", "_SERVICE", "_CONTACT"].into_iter().any(is_custom)
        || NAMES.split_ascii_whitespace().any(|known| known == name)
}

/// The standard macros in all versions of Nagios 4 up to 4.5 (`init_macrox_names` in its core).
const NAMES: &str = "
    HOSTNAME HOSTALIAS HOSTADDRESS HOSTDISPLAYNAME HOSTSTATE HOSTSTATEID HOSTSTATETYPE HOSTATTEMPT
    MAXHOSTATTEMPTS HOSTOUTPUT LONGHOSTOUTPUT HOSTPERFDATA HOSTCHECKCOMMAND HOSTCHECKTYPE
    HOSTCHECKSOURCE HOSTEXECUTIONTIME HOSTLATENCY HOSTDURATION HOSTDURATIONSEC HOSTDOWNTIME
    HOSTPERCENTCHANGE HOSTEVENTID HOSTPROBLEMID HOSTACKAUTHOR HOSTACKAUTHORNAME HOSTACKAUTHORALIAS
    HOSTACKCOMMENT HOSTNOTIFICATIONNUMBER HOSTNOTIFICATIONID HOSTNOTIFICATIONENABLED
    HOSTNOTIFICATIONPERIOD HOSTACTIONURL HOSTNOTESURL HOSTNOTES HOSTINFOURL HOSTIMPORTANCE
    HOSTANDSERVICESIMPORTANCE HOSTPERFDATAFILE
    LASTHOSTCHECK LASTHOSTSTATE LASTHOSTSTATEID LASTHOSTSTATECHANGE LASTHOSTUP LASTHOSTDOWN
    LASTHOSTUNREACHABLE LASTHOSTEVENTID LASTHOSTPROBLEMID
    HOSTGROUPNAME HOSTGROUPNAMES HOSTGROUPALIAS HOSTGROUPNOTES HOSTGROUPNOTESURL HOSTGROUPACTIONURL
    HOSTGROUPMEMBERS HOSTGROUPMEMBERADDRESSES
    SERVICEDESC SERVICEDISPLAYNAME SERVICESTATE SERVICESTATEID SERVICESTATETYPE SERVICEATTEMPT
    MAXSERVICEATTEMPTS SERVICEISVOLATILE SERVICEOUTPUT LONGSERVICEOUTPUT SERVICEPERFDATA
    SERVICECHECKCOMMAND SERVICECHECKTYPE SERVICECHECKSOURCE SERVICEEXECUTIONTIME SERVICELATENCY
    SERVICEDURATION SERVICEDURATIONSEC SERVICEDOWNTIME SERVICEPERCENTCHANGE SERVICEEVENTID
    SERVICEPROBLEMID SERVICEACKAUTHOR SERVICEACKAUTHORNAME SERVICEACKAUTHORALIAS SERVICEACKCOMMENT
    SERVICENOTIFICATIONNUMBER SERVICENOTIFICATIONID SERVICENOTIFICATIONENABLED
    SERVICENOTIFICATIONPERIOD SERVICEACTIONURL SERVICENOTESURL SERVICENOTES SERVICEINFOURL
    SERVICEIMPORTANCE SERVICEPERFDATAFILE
    LASTSERVICECHECK LASTSERVICESTATE LASTSERVICESTATEID LASTSERVICESTATECHANGE LASTSERVICEOK
    LASTSERVICEWARNING LASTSERVICEUNKNOWN LASTSERVICECRITICAL LASTSERVICEEVENTID
    LASTSERVICEPROBLEMID
    SERVICEGROUPNAME SERVICEGROUPNAMES SERVICEGROUPALIAS SERVICEGROUPNOTES SERVICEGROUPNOTESURL
    SERVICEGROUPACTIONURL SERVICEGROUPMEMBERS
    CONTACTNAME CONTACTALIAS CONTACTEMAIL CONTACTPAGER CONTACTGROUPNAME CONTACTGROUPNAMES
    CONTACTGROUPALIAS CONTACTGROUPMEMBERS
    NOTIFICATIONTYPE NOTIFICATIONNUMBER NOTIFICATIONRECIPIENTS NOTIFICATIONISESCALATED
    NOTIFICATIONAUTHOR NOTIFICATIONAUTHORNAME NOTIFICATIONAUTHORALIAS NOTIFICATIONCOMMENT
    TOTALHOSTSUP TOTALHOSTSDOWN TOTALHOSTSUNREACHABLE TOTALHOSTSDOWNUNHANDLED
    TOTALHOSTSUNREACHABLEUNHANDLED TOTALHOSTPROBLEMS TOTALHOSTPROBLEMSUNHANDLED TOTALSERVICESOK
    TOTALSERVICESWARNING TOTALSERVICESCRITICAL TOTALSERVICESUNKNOWN TOTALSERVICESWARNINGUNHANDLED
    TOTALSERVICESCRITICALUNHANDLED TOTALSERVICESUNKNOWNUNHANDLED TOTALSERVICEPROBLEMS
    TOTALSERVICEPROBLEMSUNHANDLED TOTALHOSTSERVICES TOTALHOSTSERVICESOK TOTALHOSTSERVICESWARNING
    TOTALHOSTSERVICESUNKNOWN TOTALHOSTSERVICESCRITICAL
    LONGDATETIME SHORTDATETIME DATE TIME TIMET ISVALIDTIME NEXTVALIDTIME PROCESSSTARTTIME
    EVENTSTARTTIME ADMINEMAIL ADMINPAGER MAINCONFIGFILE STATUSDATAFILE RETENTIONDATAFILE
    OBJECTCACHEFILE TEMPFILE TEMPPATH LOGFILE RESOURCEFILE COMMANDFILE";

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(line: &str) -> Vec<Dollar> {
        find(line.as_bytes()).into_iter().map(|(_, dollar)| dollar).collect()
    }

    #[test]
    fn pairs_dollars_from_the_left() {
        let name = |name: &str| Dollar::Macro(name.to_owned());
        let text = |text: &str| Dollar::Text(text.to_owned());
        assert_eq!(
            kinds("$USER1$/x '$_SERVICEREPAIR$' a$$b $HOSTSTATE:web 1$ $ARG32$"),
            [
                name("USER1"),
                name("_SERVICEREPAIR"),
                Dollar::Escaped,
                name("HOSTSTATE:web 1"),
                name("ARG32")
            ]
        );
        assert_eq!(kinds("pa$s '$HOSTNAME$'"), [text("s '"), Dollar::Last]);
        assert_eq!(kinds("$HOSTNAM$ $ARG33$ $_X$"), ["HOSTNAM", "ARG33", "_X"].map(text));
        assert_eq!(kinds("a$"), [Dollar::Last]);
    }

    /// The installed Nagios contains all names except the two that end in CHECKSOURCE, which only
    /// newer versions know.
    #[test]
    fn knows_the_macros_of_nagios() {
        let program = std::fs::read("/usr/sbin/nagios4").expect("nagios4-core");
        for name in NAMES.split_ascii_whitespace() {
            // Search for the name and the null byte that ends it. The byte before the name need not
            // be null, because the compiler can store a string as the end of a longer string.
            let word = [name.as_bytes(), b"\0"].concat();
            let is_there = program.windows(word.len()).any(|window| window == word);
            assert_eq!(is_there, !name.ends_with("CHECKSOURCE"), "{name}");
        }
    }
}
