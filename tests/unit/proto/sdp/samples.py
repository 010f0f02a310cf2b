"""Bodies as real peers send them (addresses from the documentation ranges), by name, with CRLF."""

from __future__ import annotations

_BARESIP = """\
v=0
o=- 1285604402 704645940 IN IP4 192.0.2.10
s=-
c=IN IP4 192.0.2.10
t=0 0
a=tool:baresip 1.0.0
m=audio 27160 RTP/AVP 0 8 9 96 101
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:9 G722/8000
a=rtpmap:96 opus/48000/2
a=fmtp:96 stereo=1;sprop-stereo=1
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=sendrecv
a=label:1
a=rtcp-rsize
a=ssrc:1018113707 cname:sip:1001@192.0.2.10
a=rtcp-mux
a=minptime:20
a=ptime:20
"""

_LINPHONE = """\
v=0
o=1002 2817 1985 IN IP4 192.0.2.20
s=Talk
c=IN IP4 192.0.2.20
b=AS:512
t=0 0
a=ice-pwd:895d2d3abb9bb903873224f2
a=ice-ufrag:cb5f49e1
a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics
m=audio 7078 RTP/AVPF 96 97 0 8 98 99
a=rtpmap:96 opus/48000/2
a=fmtp:96 useinbandfec=1
a=rtpmap:97 speex/16000
a=fmtp:97 vbr=on
a=rtpmap:98 telephone-event/48000
a=rtpmap:99 telephone-event/8000
a=candidate:1 1 UDP 2130706431 192.0.2.20 7078 typ host
a=candidate:1 2 UDP 2130706430 192.0.2.20 7079 typ host
a=rtcp-fb:* trr-int 5000
m=video 9078 RTP/AVPF 100
a=rtpmap:100 VP8/90000
a=rtcp-fb:100 ccm fir
"""

_YEALINK = """\
v=0
o=- 20017 20017 IN IP4 192.0.2.30
s=SDP data
c=IN IP4 192.0.2.30
t=0 0
m=audio 11784 RTP/AVP 9 0 8 18 101
a=rtpmap:9 G722/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:18 G729/8000
a=fmtp:18 annexb=no
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=ptime:20
a=sendrecv
"""

_SRTP = """\
v=0
o=- 4 4 IN IP4 192.0.2.31
s=-
c=IN IP4 192.0.2.31
t=0 0
m=audio 12000 RTP/SAVP 8 101
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz
a=rtpmap:101 telephone-event/8000
"""

_CHROMIUM = """\
v=0
o=- 4611731400430051336 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
a=extmap-allow-mixed
a=msid-semantic: WMS
m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=ice-ufrag:F7gI
a=ice-pwd:x9cml/YzichV2+XlhiMu8g12
a=ice-options:trickle
a=fingerprint:sha-256 D2:FA:0E:C3:22:59:5E:14:95:69:92:3D:13:B4:84:24:2C:C2:A2:C0
a=setup:actpass
a=mid:0
a=sendrecv
a=rtcp-mux
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:63 red/48000/2
a=fmtp:63 111/111
a=rtpmap:9 G722/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:13 CN/8000
a=rtpmap:110 telephone-event/48000
a=rtpmap:126 telephone-event/8000
a=ssrc:3570614608 cname:4TOk42mSjXCkVIa6
"""

_T38 = """\
v=0
o=gateway 2209448059 759125175 IN IP4 192.0.2.40
s=fax
c=IN IP4 192.0.2.40
t=0 0
m=image 56004 udptl t38
a=T38FaxVersion:0
a=T38MaxBitRate:14400
a=T38FaxRateManagement:transferredTCF
a=T38FaxUdpEC:t38UDPRedundancy
"""

_RFC4566 = """\
v=0
o=jdoe 2890844526 2890842807 IN IP4 10.47.16.5
s=SDP Seminar
i=A Seminar on the session description protocol
u=http://www.example.com/seminars/sdp.pdf
e=j.doe@example.com (Jane Doe)
c=IN IP4 224.2.17.12/127
t=2873397496 2873404696
a=recvonly
m=audio 49170 RTP/AVP 0
m=video 51372/2 RTP/AVP 99
a=rtpmap:99 h263-1998/90000
"""

_MIXED_FAMILIES = """\
v=0
o=bob 280744730 28977631 IN IP4 host.example.com
s=
t=0 0
m=audio 22334 RTP/AVP 0
c=IN IP4 192.0.2.1
m=video 6024 RTP/AVP 107
c=IN IP6 2001:db8::1
a=rtpmap:107 H263-1998/90000
"""

_IPV6 = """\
v=0
o=assistant 971731711378798081 0 IN IP6 2001:db8::20
s=Live video feed for today's meeting
c=IN IP6 2001:db8::20
t=3338481189 3370017201
m=audio 6000 RTP/AVP 2
a=rtpmap:2 G726-32/8000
m=video 6024 RTP/AVP 107
a=rtpmap:107 H263-1998/90000
"""

_OLD_HOLD = """\
v=0
o=- 12 13 IN IP4 192.0.2.50
s=-
c=IN IP4 0.0.0.0
t=0 0
m=audio 17000 RTP/AVP 0
"""

_NAMED_HOST = """\
v=0
o=- 1 1 IN IP4 gw.example.net
s=-
c=IN IP4 gw.example.net
t=0 0
m=audio 8000 RTP/AVP 8
a=rtcp:53020 IN IP4 192.0.2.61
"""

SAMPLES = {
    name: text.replace("\n", "\r\n")
    for name, text in {
        "baresip": _BARESIP,
        "linphone": _LINPHONE,
        "yealink": _YEALINK,
        "srtp": _SRTP,
        "chromium": _CHROMIUM,
        "t38": _T38,
        "rfc4566": _RFC4566,
        "rfc5118-mixed": _MIXED_FAMILIES,
        "rfc5118-ipv6": _IPV6,
        "rfc2543-hold": _OLD_HOLD,
        "named-host": _NAMED_HOST,
    }.items()
}
