//! The few values that every message is asked for: the topmost Via, CSeq, the tags.

/// A tag of From or To.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag<'a> {
    /// The value has a form that is left to the full parser.
    Unknown,
    /// A sound address without a tag.
    Missing,
    /// A sound address with this tag.
    Given(&'a str),
}

/// The topmost Via of a header value.
#[derive(Debug, PartialEq, Eq)]
pub struct TopVia<'a> {
    /// The transport as written.
    pub transport: &'a str,
    /// The host as written, IPv6 in brackets.
    pub host: &'a str,
    /// The port of sent-by.
    pub port: Option<u16>,
    /// The branch, empty when there is none.
    pub branch: &'a str,
    /// Where the parameters begin, in the value.
    pub tail: usize,
    /// Where this Via ends, in the value.
    pub end: usize,
}

/// RFC 3261 §25.1 token.
pub fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~' | b'-')
}

/// What may stand in a parameter's value without quotes: as wide as the Python grammar's VALUE.
fn is_value_byte(byte: u8) -> bool {
    byte > 0x20 && byte != 0x7f && !matches!(byte, b';' | b',' | b'"' | b'<' | b'>')
}

/// What may stand in a URI between angle brackets.
fn is_uri_byte(byte: u8) -> bool {
    byte > 0x20 && byte != 0x7f && !matches!(byte, b'<' | b'>' | b'"')
}

fn run(text: &str, from: usize, accepts: impl Fn(u8) -> bool) -> usize {
    text.as_bytes()[from..].iter().position(|&byte| !accepts(byte)).map_or(text.len(), |at| from + at)
}

/// The topmost Via when it is written as `SIP/2.0/UDP host:port;name=value;...`.
pub fn top_via(value: &str) -> Option<TopVia<'_>> {
    let rest = value.strip_prefix("SIP/2.0/")?;
    let start = value.len() - rest.len();
    let transport_end = run(value, start, is_token_byte);
    if transport_end == start || value.as_bytes().get(transport_end) != Some(&b' ') {
        return None;
    }
    let host_start = transport_end + 1;
    let host_end = host(value, host_start)?;
    let (port, tail) = port(value, host_end)?;
    let end = parameters(value, tail)?;
    if !matches!(value.as_bytes().get(end), None | Some(b',' | b'\n')) {
        return None;
    }
    let parameters = &value[tail..end];
    // A second branch, or one in another case, is left to the full parser.
    let branch = match parameters.find(";branch=") {
        Some(at) => parameters[at + 8..].split(';').next().unwrap_or_default(),
        None => return None,
    };
    Some(TopVia {
        transport: &value[start..transport_end],
        host: &value[host_start..host_end],
        port,
        branch,
        tail,
        end,
    })
}

fn host(value: &str, start: usize) -> Option<usize> {
    let bytes = value.as_bytes();
    let end = if bytes.get(start) == Some(&b'[') {
        let inside = run(value, start + 1, |byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'));
        (inside > start + 1 && bytes.get(inside) == Some(&b']')).then_some(inside + 1)?
    } else {
        run(value, start, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
    };
    (end > start).then_some(end)
}

fn port(value: &str, at: usize) -> Option<(Option<u16>, usize)> {
    if value.as_bytes().get(at) != Some(&b':') {
        return Some((None, at));
    }
    let end = run(value, at + 1, |byte| byte.is_ascii_digit());
    // Zero and beyond 65535 are the full parser's to judge.
    let number = value[at + 1..end].parse::<u16>().ok().filter(|&number| number > 0 && end - at <= 6)?;
    Some((Some(number), end))
}

fn parameters(value: &str, mut at: usize) -> Option<usize> {
    let bytes = value.as_bytes();
    while bytes.get(at) == Some(&b';') {
        let name_end = run(value, at + 1, is_token_byte);
        if name_end == at + 1 {
            return None;
        }
        at = name_end;
        if bytes.get(at) == Some(&b'=') {
            let value_end = run(value, at + 1, is_value_byte);
            if value_end == at + 1 {
                return None;
            }
            at = value_end;
        }
    }
    Some(at)
}

/// The value with `received` and `rport` of its topmost Via filled in (RFC 3261 §18.2.1, RFC 3581 §4), in the
/// two forms that nearly all take; `None` when the peer wrote something into them itself.
pub fn stamp(value: &str, via: &TopVia<'_>, host: &str, port: u16) -> Option<String> {
    let tail = &value[via.tail..via.end];
    let marks = tail.to_ascii_lowercase();
    if marks.contains("received") {
        return None;
    }
    if let Some(at) = marks.find("rport") {
        let behind = at + 5;
        let alone = marks.matches("rport").count() == 1 && at > 0 && marks.as_bytes()[at - 1] == b';';
        let empty = matches!(marks.as_bytes().get(behind), None | Some(b';'));
        // As the full parser, only the spelling of the RFC is filled in where it stands.
        let usual = alone && empty && &tail[at..behind] == "rport";
        let split = via.tail + behind;
        return usual.then(|| {
            format!(
                "{}={port}{};received={host}{}",
                &value[..split],
                &value[split..via.end],
                &value[via.end..]
            )
        });
    }
    let bare = via.host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    Some(if bare == host {
        value.to_owned()
    } else {
        format!("{};received={host}{}", &value[..via.end], &value[via.end..])
    })
}

/// Number and method of a CSeq written as `123 INVITE`; at most nine digits.
pub fn cseq(value: &str) -> Option<(u32, &str)> {
    let (number, method) = value.split_once(' ')?;
    let digits = !number.is_empty() && number.len() <= 9 && number.bytes().all(|byte| byte.is_ascii_digit());
    let token = !method.is_empty() && method.bytes().all(is_token_byte);
    (digits && token).then(|| number.parse().ok().map(|number| (number, method)))?
}

/// The tag of `"display" <uri>;tag=value`, with nothing else behind.
pub fn tag(value: &str) -> Tag<'_> {
    sound_tag(value).unwrap_or(Tag::Unknown)
}

fn sound_tag(value: &str) -> Option<Tag<'_>> {
    let open = display_end(value)?;
    let scheme_end =
        run(value, open + 1, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'.' | b'-'));
    let starts_well = value.as_bytes().get(open + 1)?.is_ascii_alphabetic();
    if !starts_well || value.as_bytes().get(scheme_end) != Some(&b':') {
        return None;
    }
    let close = run(value, scheme_end + 1, is_uri_byte);
    if close == scheme_end + 1 || value.as_bytes().get(close) != Some(&b'>') {
        return None;
    }
    let rest = &value[close + 1..];
    if rest.is_empty() {
        return Some(Tag::Missing);
    }
    let tag = rest.strip_prefix(";tag=")?;
    (!tag.is_empty() && tag.bytes().all(is_value_byte)).then_some(Tag::Given(tag))
}

/// Where the `<` stands, after a display name in quotes (without escapes) or a plain one.
fn display_end(value: &str) -> Option<usize> {
    let bytes = value.as_bytes();
    if bytes.first() == Some(&b'"') {
        let close = run(value, 1, |byte| !matches!(byte, b'"' | b'\\' | b'\n'));
        if bytes.get(close) != Some(&b'"') {
            return None;
        }
        let open = run(value, close + 1, |byte| matches!(byte, b' ' | b'\t'));
        return (bytes.get(open) == Some(&b'<')).then_some(open);
    }
    let plain = |byte: u8| {
        (byte >= 0x20 || byte == b'\t') && byte != 0x7f && !matches!(byte, b'<' | b'>' | b'"' | b',' | b';')
    };
    let open = run(value, 0, plain);
    (bytes.get(open) == Some(&b'<')).then_some(open)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_usual_via() {
        let via = top_via("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa;rport, SIP/2.0/TCP b").unwrap();
        assert_eq!(
            (via.transport, via.host, via.port, via.branch),
            ("UDP", "192.0.2.1", Some(5060), "z9hG4bKa")
        );
        assert_eq!((via.tail, via.end), (26, 48));
    }

    #[test]
    fn reads_ipv6_and_no_port() {
        let via = top_via("SIP/2.0/TCP [2001:db8::9];branch=x").unwrap();
        assert_eq!((via.host, via.port), ("[2001:db8::9]", None));
    }

    #[test]
    fn stamps_as_asked() {
        let stamped = |value: &str| stamp(value, &top_via(value).unwrap(), "192.0.2.7", 4000);
        let asked = "SIP/2.0/UDP a;rport;branch=b, SIP/2.0/TCP c";
        assert_eq!(
            stamped(asked).unwrap(),
            "SIP/2.0/UDP a;rport=4000;branch=b;received=192.0.2.7, SIP/2.0/TCP c"
        );
        assert_eq!(stamped("SIP/2.0/UDP a;branch=b").unwrap(), "SIP/2.0/UDP a;branch=b;received=192.0.2.7");
        assert_eq!(stamped("SIP/2.0/UDP 192.0.2.7;branch=b").unwrap(), "SIP/2.0/UDP 192.0.2.7;branch=b");
        for odd in [
            "SIP/2.0/UDP a;branch=b;rport=1",
            "SIP/2.0/UDP a;branch=b;received=c",
            "SIP/2.0/UDP a;RPORT;branch=b",
        ] {
            assert_eq!(stamped(odd), None, "{odd}");
        }
    }

    #[test]
    fn leaves_odd_vias_alone() {
        for odd in [
            "SIP / 2.0 / UDP a;branch=b",
            "SIP/2.0/UDP a",
            "SIP/2.0/UDP a;branch=\"b\"",
            "SIP/2.0/UDP a:0;branch=b",
            "",
        ] {
            assert_eq!(top_via(odd), None, "{odd}");
        }
    }

    #[test]
    fn reads_tags() {
        assert_eq!(tag("<sip:a@b>;tag=1"), Tag::Given("1"));
        assert_eq!(tag("\"A; <B>\" <sip:a@b;x>;tag=1"), Tag::Given("1"));
        assert_eq!(tag("Anna B <sip:a@b>"), Tag::Missing);
        for odd in [
            "sip:a@b;tag=1",
            "<sip:a@b>;x=y;tag=1",
            "\"a\\\"\" <sip:a@b>;tag=1",
            "<sip:a@b>;tag=",
            "<a>;tag=1",
            "",
        ] {
            assert_eq!(tag(odd), Tag::Unknown, "{odd}");
        }
    }

    #[test]
    fn reads_cseqs() {
        assert_eq!(cseq("1 INVITE"), Some((1, "INVITE")));
        for odd in ["1  INVITE", "INVITE", "1", "-1 BYE", "1234567890 BYE", "1 A B"] {
            assert_eq!(cseq(odd), None, "{odd}");
        }
    }
}
