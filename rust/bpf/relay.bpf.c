// SPDX-License-Identifier: MIT
//
// RTP passed on inside the kernel, for calls that need nothing but forwarding.
//
// `forward` sits at the ingress of an interface, `notice` at the egress. A packet of exactly the source and to
// exactly the port that the media engine has entered, of the stream and payload type it has named, is rewritten
// and leaves at once. All else goes on to user space, where the port works as ever: what the program has not
// been told, it does not touch. Now and then it lets a packet of the stream go to user space too, so that
// whoever sends it there keeps routes and neighbours fresh; `notice` sees that packet leave, and learns from it
// the interface and the link addresses under which the next ones leave.
//
// Layouts are mirrored in crates/engine/src/kernel/leg.rs.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

// How long what `notice` has learnt is believed: user space sends far more often while it can.
#define WAY_VALID_NS 10000000000ULL
// No frame above this is passed on; a leg may allow less.
#define LARGEST 1400
// RFC 3550 A.1: a jump ahead of less than this is loss; more is for user space to judge.
#define MAX_DROPOUT 3000
#define MAX_MISORDER 100
// A pause after which arrival times say nothing about jitter; a shift below keeps 32 bits.
#define PAUSE_NS 2000000000ULL

struct key4 {
	__be32 source, target;
	__be16 source_port, target_port;
};

struct key6 {
	__be32 source[4], target[4];
	__be16 source_port, target_port;
};

struct leg {
	// What user space has entered.
	__be32 source[4], target[4];       // what the addresses become; IPv4 in the first word
	__be16 source_port, target_port;   // what the ports become
	__u32 address_sum, port_sum;       // what that adds to a checksum (RFC 1624)
	__be32 ssrc;
	__u8 payload_type, traffic_class, spare[2];
	__u32 clock_hz, ticks;             // RTP clock; the same per nanosecond, as a fraction of 2^32
	__u32 largest;                     // octets of a frame that need not be fragmented on its way out
	__u64 look_every_ns;               // how often user space wants a packet
	// What `forward` counts.
	__u64 packets, octets, heard_ns, look_at_ns;
	__u32 highest, timestamp;          // extended sequence number; timestamp heard last
	__u32 jitter, started;             // sixteen times the jitter, in units of the clock (RFC 3550 A.8)
	// What `notice` has learnt.
	__u64 learnt_ns;
	__u32 interface;
	__u8 link[12];                     // target and source, as in the frame
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct key4);
	__type(value, __u32);
} ARRIVALS4 SEC(".maps"), DEPARTURES4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct key6);
	__type(value, __u32);
} ARRIVALS6 SEC(".maps"), DEPARTURES6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct leg);
} LEGS SEC(".maps");

struct rtp {
	__u8 first, second;
	__be16 sequence;
	__be32 timestamp, ssrc;
};

#define PASS TC_ACT_UNSPEC
#define PACKET_HOST 0
#define HEADERS4 (sizeof(struct ethhdr) + sizeof(struct iphdr) + sizeof(struct udphdr) + sizeof(struct rtp))
#define HEADERS6 (sizeof(struct ethhdr) + sizeof(struct ipv6hdr) + sizeof(struct udphdr) + sizeof(struct rtp))
#define CHECK4 (sizeof(struct ethhdr) + sizeof(struct iphdr) + offsetof(struct udphdr, check))
#define CHECK6 (sizeof(struct ethhdr) + sizeof(struct ipv6hdr) + offsetof(struct udphdr, check))

static __always_inline struct leg *leg_of(void *map, const void *key)
{
	__u32 *slot = bpf_map_lookup_elem(map, key);
	return slot ? bpf_map_lookup_elem(&LEGS, slot) : NULL;
}

// Whether this packet is of the stream that was entered, and may leave now; counts it if so.
static __always_inline bool take(struct leg *leg, const struct rtp *rtp, __u32 octets)
{
	if ((rtp->first & 0xc0) != 0x80 || rtp->ssrc != leg->ssrc || (rtp->second & 0x7f) != leg->payload_type)
		return false;
	__u64 now = bpf_ktime_get_ns();
	if (now >= leg->look_at_ns || now - leg->learnt_ns > WAY_VALID_NS || !leg->interface) {
		leg->look_at_ns = now + leg->look_every_ns;
		return false;
	}
	__u16 ahead = bpf_ntohs(rtp->sequence) - (__u16)leg->highest;
	if (ahead < MAX_DROPOUT)
		leg->highest += ahead;
	else if (ahead <= 0xffff - MAX_MISORDER)
		return false;
	__u32 timestamp = bpf_ntohl(rtp->timestamp);
	__u64 since = now - leg->heard_ns;
	if (leg->started && since < PAUSE_NS) {
		__s32 difference = (__u32)(since * leg->ticks >> 32) - (timestamp - leg->timestamp);
		__u32 size = difference < 0 ? -difference : difference;
		if (size < leg->clock_hz)
			leg->jitter += size - ((leg->jitter + 8) >> 4);
	}
	leg->started = 1;
	leg->timestamp = timestamp;
	leg->heard_ns = now;
	leg->packets++;
	leg->octets += octets;
	return true;
}

// Whether a datagram of so many octets is all there, and may be RTP.
static __always_inline bool whole(const struct __sk_buff *skb, __u32 before, __u32 length)
{
	return length >= sizeof(struct udphdr) + sizeof(struct rtp) && before + length <= skb->len;
}

static __always_inline __u16 folded(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

// The same ends for both families: the UDP checksum, and out.
static __always_inline int leave(struct __sk_buff *skb, struct leg *leg, __u32 check)
{
	__u32 interface = leg->interface;
	// The helper knows what we cannot see: whether a network card is to complete the checksum later.
	bpf_l4_csum_replace(skb, check, 0, leg->address_sum, BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0);
	bpf_l4_csum_replace(skb, check, 0, leg->port_sum, BPF_F_MARK_MANGLED_0);
	return bpf_redirect(interface, 0);
}

static __always_inline int forward4(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	if (data + HEADERS4 > end) {
		if (skb->len < HEADERS4 || bpf_skb_pull_data(skb, HEADERS4))
			return PASS;
		data = (void *)(long)skb->data;
		end = (void *)(long)skb->data_end;
		if (data + HEADERS4 > end)
			return PASS;
	}
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	struct udphdr *udp = (void *)(ip + 1);
	// An interface without Ethernet headers is not for us. No options, no fragments; one more hop must be allowed.
	if (eth->h_proto != skb->protocol || *(__u8 *)ip != 0x45 || ip->protocol != IPPROTO_UDP)
		return PASS;
	if (ip->frag_off & bpf_htons(0xbfff) || ip->ttl < 2)
		return PASS;
	struct key4 key = { ip->saddr, ip->daddr, udp->source, udp->dest };
	struct leg *leg = leg_of(&ARRIVALS4, &key);
	__u32 length = bpf_ntohs(udp->len);
	if (!leg || skb->len > leg->largest || bpf_ntohs(ip->tot_len) != sizeof(*ip) + length || !whole(skb, sizeof(*eth) + sizeof(*ip), length))
		return PASS;
	if (!take(leg, (void *)(udp + 1), length - sizeof(*udp)))
		return PASS;
	__u32 sum = (__u16)~ip->check;
	sum += (__u16)~*(__be16 *)ip + (__u16)~*(__be16 *)&ip->ttl;
	ip->tos = leg->traffic_class;
	ip->ttl--;
	sum += *(__be16 *)ip + *(__be16 *)&ip->ttl;
	sum += (leg->address_sum & 0xffff) + (leg->address_sum >> 16);
	ip->check = ~folded(sum);
	ip->saddr = leg->source[0];
	ip->daddr = leg->target[0];
	udp->source = leg->source_port;
	udp->dest = leg->target_port;
	__builtin_memcpy(eth, leg->link, sizeof(leg->link));
	return leave(skb, leg, CHECK4);
}

static __always_inline int forward6(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	if (data + HEADERS6 > end) {
		if (skb->len < HEADERS6 || bpf_skb_pull_data(skb, HEADERS6))
			return PASS;
		data = (void *)(long)skb->data;
		end = (void *)(long)skb->data_end;
		if (data + HEADERS6 > end)
			return PASS;
	}
	struct ethhdr *eth = data;
	struct ipv6hdr *ip = (void *)(eth + 1);
	struct udphdr *udp = (void *)(ip + 1);
	if (eth->h_proto != skb->protocol || ip->version != 6 || ip->nexthdr != IPPROTO_UDP || ip->hop_limit < 2)
		return PASS;
	struct key6 key;
	__builtin_memcpy(key.source, &ip->saddr, 32);
	key.source_port = udp->source;
	key.target_port = udp->dest;
	struct leg *leg = leg_of(&ARRIVALS6, &key);
	__u32 length = bpf_ntohs(udp->len);
	if (!leg || skb->len > leg->largest || ip->payload_len != udp->len || !whole(skb, sizeof(*eth) + sizeof(*ip), length))
		return PASS;
	if (!take(leg, (void *)(udp + 1), length - sizeof(*udp)))
		return PASS;
	*(__be16 *)ip = bpf_htons(0x6000 | leg->traffic_class << 4) | (*(__be16 *)ip & bpf_htons(0x000f));
	ip->hop_limit--;
	__builtin_memcpy(&ip->saddr, leg->source, 32);
	udp->source = leg->source_port;
	udp->dest = leg->target_port;
	__builtin_memcpy(eth, leg->link, sizeof(leg->link));
	return leave(skb, leg, CHECK6);
}

SEC("classifier")
int forward(struct __sk_buff *skb)
{
	// A tagged frame comes again at the interface of its VLAN; what was merged is for user space.
	if (skb->pkt_type != PACKET_HOST || skb->vlan_present || skb->gso_size || skb->len > LARGEST)
		return PASS;
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return forward4(skb);
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return forward6(skb);
	return PASS;
}

SEC("classifier")
int notice(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ethhdr *eth = data;
	struct leg *leg = NULL;
	// What has come in through an interface was sent by `forward` itself, and teaches nothing.
	if (skb->ingress_ifindex || skb->vlan_present || data + HEADERS4 > end)
		return PASS;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = (void *)(eth + 1);
		struct udphdr *udp = (void *)(ip + 1);
		if (*(__u8 *)ip != 0x45 || ip->protocol != IPPROTO_UDP)
			return PASS;
		struct key4 key = { ip->saddr, ip->daddr, udp->source, udp->dest };
		leg = leg_of(&DEPARTURES4, &key);
	} else if (eth->h_proto == bpf_htons(ETH_P_IPV6) && data + HEADERS6 <= end) {
		struct ipv6hdr *ip = (void *)(eth + 1);
		struct udphdr *udp = (void *)(ip + 1);
		if (ip->nexthdr != IPPROTO_UDP)
			return PASS;
		struct key6 key;
		__builtin_memcpy(key.source, &ip->saddr, 32);
		key.source_port = udp->source;
		key.target_port = udp->dest;
		leg = leg_of(&DEPARTURES6, &key);
	}
	if (!leg)
		return PASS;
	__builtin_memcpy(leg->link, eth, sizeof(leg->link));
	leg->interface = skb->ifindex;
	leg->learnt_ns = bpf_ktime_get_ns();
	return PASS;
}

// Every helper above may be used under any licence; the kernel knows this spelling of "permissive".
char LICENSE[] SEC("license") = "Dual MIT/GPL";
