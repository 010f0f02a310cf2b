//! One message: start line, headers, body.

use std::ops::Range;

use crate::fields::{self, Tag, TopVia};

const MAX_HEAD: usize = 65_536;
const MAX_LINES: usize = 512;

/// The first line.
#[derive(Debug, PartialEq, Eq)]
pub enum Start<'a> {
    /// Method and Request-URI.
    Request(&'a str, &'a str),
    /// Status 100..699 and reason phrase.
    Response(u16, &'a str),
}

/// A header line: its name as written, and its value without white space around it.
#[derive(Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The name before the colon.
    pub name: &'a str,
    /// The value.
    pub value: &'a str,
}

/// A message taken apart; everything borrows from its bytes.
pub struct Scan<'a> {
    /// The first line.
    pub start: Start<'a>,
    /// The header lines in order.
    pub headers: Vec<Header<'a>>,
    /// Where the body stands.
    pub body: Range<usize>,
}

/// What every message is asked for besides its Via.
pub struct Fields<'a> {
    /// Number and method of CSeq, where it is of the usual form.
    pub cseq: Option<(u32, &'a str)>,
    /// The tag of From.
    pub from_tag: Tag<'a>,
    /// The tag of To.
    pub to_tag: Tag<'a>,
}

/// Takes apart a whole message, or answers `None` when it is anything but usual.
pub fn scan(data: &[u8]) -> Option<Scan<'_>> {
    let end = data.windows(4).position(|four| four == b"\r\n\r\n")?;
    if end > MAX_HEAD {
        return None;
    }
    let head = &data[..end];
    if !head.is_ascii() {
        return None;
    }
    let mut lines = std::str::from_utf8(head).ok()?.split("\r\n");
    let start = start_line(lines.next()?)?;
    let mut headers = Vec::with_capacity(24);
    for line in lines {
        headers.push(header(line)?);
    }
    (headers.len() < MAX_LINES).then_some(Scan { start, headers, body: end + 4..data.len() })
}

fn start_line(line: &str) -> Option<Start<'_>> {
    if let Some(rest) = line.strip_prefix("SIP/2.0 ") {
        let code = rest.get(..3)?;
        let status: u16 = code.bytes().all(|byte| byte.is_ascii_digit()).then(|| code.parse().ok())??;
        let reason = rest[3..].strip_prefix(' ')?;
        let clean = !reason.bytes().any(|byte| matches!(byte, b'\r' | b'\n'));
        return (clean && (100..700).contains(&status)).then_some(Start::Response(status, reason));
    }
    let (method, rest) = line.split_once(' ')?;
    let uri = rest.strip_suffix(" SIP/2.0")?;
    let sound_method = !method.is_empty() && method.bytes().all(fields::is_token_byte);
    let sound_uri = !uri.is_empty()
        && uri.bytes().all(|byte| byte > 0x20 && byte != 0x7f && !matches!(byte, b'<' | b'>' | b'"'));
    (sound_method && sound_uri).then_some(Start::Request(method, uri))
}

fn header(line: &str) -> Option<Header<'_>> {
    let (name, value) = line.split_once(':')?;
    // A line break inside a line is a stray one; a name that begins with white space is a folded line.
    let clean = !value.bytes().any(|byte| matches!(byte, b'\r' | b'\n'));
    let sound = !name.is_empty() && name.bytes().all(fields::is_token_byte);
    (clean && sound).then(|| Header { name, value: value.trim_matches([' ', '\t']) })
}

/// Whether a Request-URI is of a kind that needs no further look: `sip:user@host:port;name=value`.
pub fn is_plain_uri(uri: &str) -> bool {
    let Some(rest) = uri.strip_prefix("sip:") else { return false };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let (address, parameters) = rest.split_once(';').unwrap_or((rest, ""));
    let (user, host_port) =
        address.split_once('@').map_or((None, address), |(user, host)| (Some(user), host));
    let (host, port) = host_port.split_once(':').map_or((host_port, None), |(host, port)| (host, Some(port)));
    let sound_user = user.is_none_or(|user| {
        !user.is_empty() && user.bytes().all(|byte| plain(byte) || matches!(byte, b'+' | b'*' | b'#'))
    });
    let sound_port =
        port.is_none_or(|port| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok());
    let sound_host = !host.is_empty() && host.bytes().all(plain);
    let sound_parameters = parameters.is_empty() || parameters.split(';').all(is_plain_parameter);
    sound_user && sound_host && sound_port && sound_parameters && !uri.ends_with(';')
}

fn is_plain_parameter(parameter: &str) -> bool {
    let plain = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
    };
    parameter.split_once('=').map_or(plain(parameter), |(name, value)| plain(name) && plain(value))
}

impl<'a> Scan<'a> {
    /// The value of a header that occurs once under one of these spellings; `None` when missing or repeated.
    pub fn only(&self, canonical: &str, short: &str) -> Option<&'a str> {
        let mut found = self.headers.iter().filter(|header| {
            header.name.eq_ignore_ascii_case(canonical) || header.name.eq_ignore_ascii_case(short)
        });
        let first = found.next()?;
        found.next().is_none().then_some(first.value)
    }

    /// The topmost Via, where it is of the usual form.
    pub fn via(&self, value: &'a str) -> Option<TopVia<'a>> {
        fields::top_via(value)
    }

    /// CSeq and the tags, each read once for all who ask.
    pub fn fields(&self) -> Fields<'a> {
        Fields {
            cseq: self.only("CSeq", "CSeq").and_then(fields::cseq),
            from_tag: self.only("From", "f").map_or(Tag::Unknown, fields::tag),
            to_tag: self.only("To", "t").map_or(Tag::Unknown, fields::tag),
        }
    }

    /// The body's place by Content-Length; `None` when the header is repeated, malformed or too large.
    pub fn cut_body(&self) -> Option<Range<usize>> {
        let named = |header: &&Header<'_>| {
            header.name.eq_ignore_ascii_case("Content-Length") || header.name.eq_ignore_ascii_case("l")
        };
        if !self.headers.iter().any(|header| named(&header)) {
            return Some(self.body.clone());
        }
        let value = self.only("Content-Length", "l")?;
        let digits = !value.is_empty() && value.len() <= 9 && value.bytes().all(|byte| byte.is_ascii_digit());
        let length: usize = digits.then(|| value.parse().ok())??;
        (length <= self.body.len()).then(|| self.body.start..self.body.start + length)
    }

    /// Whether what every message must have is there, once and in order, so that nobody need look again.
    pub fn is_sound(&self, via: Option<&TopVia<'_>>, fields: &Fields<'_>) -> bool {
        const ONCE: [(&str, &str); 5] = [
            ("Call-ID", "i"),
            ("Max-Forwards", "Max-Forwards"),
            ("Content-Type", "c"),
            ("Expires", "Expires"),
            ("CSeq", "CSeq"),
        ];
        let repeated = |(name, short): (&str, &str)| {
            let named = |header: &&Header<'_>| {
                header.name.eq_ignore_ascii_case(name) || header.name.eq_ignore_ascii_case(short)
            };
            self.headers.iter().filter(named).count() > 1
        };
        let identified = self.only("Call-ID", "i").is_some_and(|value| !value.is_empty())
            && !ONCE.into_iter().any(repeated);
        let tagged = matches!(fields.from_tag, Tag::Given(_)) && fields.to_tag != Tag::Unknown;
        let (Some(via), Some((_, method))) = (via, fields.cseq) else { return false };
        let matches_start = match self.start {
            Start::Request(named, uri) => named == method && is_plain_uri(uri),
            Start::Response(..) => self.only("Via", "v").is_some_and(|value| value.len() == via.end),
        };
        identified && tagged && matches_start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &[u8] = b"INVITE sip:200@192.0.2.9:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
        From: <sip:100@b>;tag=a\r\nTo: <sip:200@b>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContent-Length: 2\r\n\r\nhi there";

    fn first_via<'a>(scan: &Scan<'a>) -> Option<TopVia<'a>> {
        scan.via(scan.headers.iter().find(|header| header.name == "Via")?.value)
    }

    #[test]
    fn takes_a_request_apart() {
        let found = scan(INVITE).unwrap();
        assert_eq!(found.start, Start::Request("INVITE", "sip:200@192.0.2.9:5060"));
        assert_eq!(found.headers.len(), 6);
        let fields = found.fields();
        assert_eq!(fields.cseq, Some((1, "INVITE")));
        assert_eq!(fields.from_tag, Tag::Given("a"));
        assert_eq!(fields.to_tag, Tag::Missing);
        assert_eq!(&INVITE[found.cut_body().unwrap()], b"hi");
        assert!(found.is_sound(first_via(&found).as_ref(), &fields));
    }

    #[test]
    fn takes_a_response_apart() {
        let found = scan(b"SIP/2.0 180 Ringing\r\nv: SIP/2.0/UDP a;branch=b\r\n\r\n").unwrap();
        assert_eq!(found.start, Start::Response(180, "Ringing"));
        assert!(!found.is_sound(None, &found.fields()));
    }

    #[test]
    fn leaves_everything_odd_to_the_full_parser() {
        let odd: [&[u8]; 9] = [
            b"INVITE sip:a@b SIP/2.0\r\nTo: a\r\n",
            b"INVITE sip:a@b SIP/2.0\r\nSubject: a\r\n b\r\n\r\n",
            b"INVITE sip:a@b SIP/2.0\r\nSubject: a\nX: b\r\n\r\n",
            "INVITE sip:a@b SIP/2.0\r\nSubject: \u{e9}\r\n\r\n".as_bytes(),
            b"INVITE  sip:a@b SIP/2.0\r\n\r\n",
            b"INVITE sip:a@b SIP/3.0\r\n\r\n",
            b"INVITE <sip:a@b> SIP/2.0\r\n\r\n",
            b"SIP/2.0 99 Low\r\n\r\n",
            b"INVITE sip:a@b SIP/2.0\r\nnothing\r\n\r\n",
        ];
        for data in odd {
            assert!(scan(data).is_none(), "{}", String::from_utf8_lossy(data));
        }
    }

    #[test]
    fn judges_uris() {
        for plain in ["sip:b", "sip:a@b:5060", "sip:a@b;transport=tcp;lr", "sip:+1@b"] {
            assert!(is_plain_uri(plain), "{plain}");
        }
        for odd in [
            "sips:b",
            "sip:",
            "sip:a@",
            "sip:@b",
            "sip:a@b?x=y",
            "sip:a@b:99999",
            "sip:a%20@b",
            "sip:a@b;",
            "sip:a@b;;x",
            "tel:1",
        ] {
            assert!(!is_plain_uri(odd), "{odd}");
        }
    }
}
