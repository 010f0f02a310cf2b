//! The scanner of SIP messages: what it answers lies within the message, and can be asked for everything.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trunkline_sip::{scan, stamp};

fuzz_target!(|data: &[u8]| {
    let Some(found) = scan(data) else { return };
    assert!(found.body.end == data.len() && found.body.start <= found.body.end);
    assert!(found.cut_body().is_none_or(|body| body.end <= data.len() && body.start == found.body.start));
    let fields = found.fields();
    let mut topmost = None;
    for header in &found.headers {
        let Some(via) = found.via(header.value) else { continue };
        assert!(via.tail <= via.end && via.end <= header.value.len());
        if let Some(stamped) = stamp(header.value, &via, "192.0.2.7", 4000) {
            assert!(stamped.len() >= header.value.len() && stamped.ends_with(&header.value[via.end..]));
            assert!(found.via(&stamped).is_some(), "{stamped}");
        }
        topmost.get_or_insert(via);
    }
    let _ = found.is_sound(topmost.as_ref(), &fields);
});
