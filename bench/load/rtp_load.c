// rtp_load: drives a two-legged RTP relay with N bidirectional G.711 calls and reports packets sent,
// received and lost, and the one-way latency from user space to user space.
//
// Side A of a call sends to the call's relay port A and expects what side B sent, and the other way round.
// All A sides share one socket and all B sides another, so the relay sees one remote address a side; that
// keeps the generator cheap (sendmmsg, recvmmsg). A packet is 172 bytes: 12 of RTP and 160 of payload.
//
// Relay ports are arithmetic (-a FIRST -b FIRST -S STEP) or come from a text file (-P FILE) with one call
// a line: "portA portB" or, with SRTP on side B, "portA portB keyToRelay keyFromRelay" (base64, 30 bytes).
//
// Output: one JSON object.
#define _GNU_SOURCE
#include <errno.h>
#include "common.h"
#include "srtp_side.h"

enum {
    RTP_HEADER = 12,
    PACKET = RTP_HEADER + 160,
    BUFFER = 256,
    BATCH = 32,
    LONGEST_LATENCY_US = 100000,
    DRAIN_NS = 300000000,
    MAX_CALLS = 20000,
    MAX_SECONDS = 120,
    SIDES = 2,
};
static const uint32_t MAGIC = 0x52544c31u, FIRST_SSRC = 0x10000000u;

// Stands at the start of the payload. `flags`: bit 0 is the sending side, bit 1 says that the packet counts.
struct mark {
    uint32_t magic, call, flags, sequence;
    uint64_t sent_ns;
};

struct options {
    const char *local_ip, *relay_ip, *port_file;
    int local_port[SIDES], first_port[SIDES], step, calls, cpu;
    double seconds, packet_ms, warmup;
};

struct batch {
    uint8_t buffer[BATCH][BUFFER];
    struct mmsghdr message[BATCH];
    struct iovec vector[BATCH];
    int used;
};

static struct options opt = {.local_ip = "127.0.0.1",
                             .relay_ip = "127.0.0.1",
                             .local_port = {40000, 40002},
                             .first_port = {30000, 30002},
                             .step = 4,
                             .calls = 100,
                             .cpu = -1,
                             .seconds = 10,
                             .packet_ms = 20,
                             .warmup = 1};
static uint32_t histogram[LONGEST_LATENCY_US + 1];
static uint64_t sent, received, foreign, send_errors, auth_failures, most_behind_us;
static struct sockaddr_in *relay[SIDES];
static struct batch outgoing[SIDES], incoming;
static int fd[SIDES], with_srtp, measuring;

static const char usage[] =
    "usage: rtp_load -n CALLS -d SECONDS [-w WARMUP_S] [-i PACKET_MS] [-c CPU] [-l LOCAL_IP] [-r RELAY_IP]\n"
    "  [-A LOCAL_PORT_A] [-B LOCAL_PORT_B] [-a FIRST_PORT_A -b FIRST_PORT_B -S STEP | -P PORT_FILE]\n";

static int parse_options(int argc, char **argv) {
    int letter;
    while ((letter = getopt(argc, argv, "l:r:A:B:a:b:S:n:d:i:c:P:w:")) != -1)
        switch (letter) {
        case 'l': opt.local_ip = optarg; break;
        case 'r': opt.relay_ip = optarg; break;
        case 'A': opt.local_port[0] = atoi(optarg); break;
        case 'B': opt.local_port[1] = atoi(optarg); break;
        case 'a': opt.first_port[0] = atoi(optarg); break;
        case 'b': opt.first_port[1] = atoi(optarg); break;
        case 'S': opt.step = atoi(optarg); break;
        case 'n': opt.calls = atoi(optarg); break;
        case 'd': opt.seconds = atof(optarg); break;
        case 'i': opt.packet_ms = atof(optarg); break;
        case 'c': opt.cpu = atoi(optarg); break;
        case 'P': opt.port_file = optarg; break;
        case 'w': opt.warmup = atof(optarg); break;
        default: return 0;
        }
    return opt.calls >= 1 && opt.calls <= MAX_CALLS && opt.seconds > 0 && opt.seconds <= MAX_SECONDS;
}

static void set_ports(int call, int port_a, int port_b) {
    relay[0][call] = address(opt.relay_ip, port_a);
    relay[1][call] = address(opt.relay_ip, port_b);
}

static int read_port_file(void) {
    FILE *file = fopen(opt.port_file, "r");
    char line[512], to_relay[128], from_relay[128];
    int port_a, port_b, call = 0;
    if (!file) {
        perror(opt.port_file);
        return 0;
    }
    for (; call < opt.calls && fgets(line, sizeof line, file); call++) {
        int fields = sscanf(line, "%d %d %127s %127s", &port_a, &port_b, to_relay, from_relay);
        if (fields != 2 && fields != 4)
            break;
        if (fields == 4 && !srtp_side_add(call, opt.calls, to_relay, from_relay))
            break;
        with_srtp |= fields == 4;
        set_ports(call, port_a, port_b);
    }
    fclose(file);
    if (call < opt.calls)
        fprintf(stderr, "%s: line %d is missing or wrong\n", opt.port_file, call + 1);
    return call == opt.calls;
}

static int find_relay_ports(void) {
    for (int side = 0; side < SIDES; side++)
        relay[side] = calloc((size_t)opt.calls, sizeof **relay);
    if (opt.port_file)
        return read_port_file();
    for (int call = 0; call < opt.calls; call++)
        set_ports(call, opt.first_port[0] + call * opt.step, opt.first_port[1] + call * opt.step);
    return 1;
}

static void prepare(struct batch *batch, size_t length) {
    memset(batch->buffer, 0xff, sizeof batch->buffer);
    for (int i = 0; i < BATCH; i++) {
        batch->vector[i] = (struct iovec){batch->buffer[i], length};
        batch->message[i].msg_hdr = (struct msghdr){.msg_iov = &batch->vector[i], .msg_iovlen = 1};
    }
}

static void put_packet(uint32_t call, uint32_t side, uint32_t sequence) {
    struct batch *batch = &outgoing[side];
    int slot = batch->used++;
    uint8_t *packet = batch->buffer[slot];
    uint32_t timestamp = htonl(sequence * 160), ssrc = htonl(FIRST_SSRC + call * 2 + side);
    struct mark mark = {MAGIC, call, side | (measuring ? 2u : 0u), sequence, now_ns()};
    packet[0] = 0x80;
    packet[1] = 0;
    packet[2] = (uint8_t)(sequence >> 8);
    packet[3] = (uint8_t)sequence;
    memcpy(packet + 4, &timestamp, 4);
    memcpy(packet + 8, &ssrc, 4);
    memcpy(packet + RTP_HEADER, &mark, sizeof mark);
    batch->message[slot].msg_hdr.msg_name = &relay[side][call];
    batch->message[slot].msg_hdr.msg_namelen = sizeof **relay;
    if (!with_srtp || side != 1)
        return;
    // Encryption ran over this buffer the last time: the payload behind the mark is made plain again.
    memset(packet + RTP_HEADER + sizeof mark, 0xff, PACKET - RTP_HEADER - sizeof mark);
    batch->vector[slot].iov_len = (size_t)srtp_side_protect(call, packet, PACKET);
}

static void flush(int side) {
    struct batch *batch = &outgoing[side];
    for (int done = 0; done < batch->used;) {
        int count = sendmmsg(fd[side], batch->message + done, (unsigned)(batch->used - done), 0);
        if (count < 0) {
            send_errors++;
            if (errno != EINTR)
                done++;
            continue;
        }
        done += count;
        if (measuring)
            sent += (uint64_t)count;
    }
    batch->used = 0;
}

// Slot k is call k/2, direction k%2; one packet time has 2N slots. A generator that falls behind says how
// far.
static void send_due(uint64_t elapsed_ns, uint64_t *next_slot) {
    double packet_ns = opt.packet_ms * 1e6, slots = 2.0 * opt.calls;
    uint64_t due = (uint64_t)((double)elapsed_ns / packet_ns * slots);
    if (measuring && due > *next_slot) {
        uint64_t behind_us = (uint64_t)((double)(due - *next_slot) * packet_ns / slots / 1000);
        if (behind_us > most_behind_us)
            most_behind_us = behind_us;
    }
    for (; *next_slot < due && outgoing[0].used < BATCH && outgoing[1].used < BATCH; ++*next_slot)
        put_packet((uint32_t)(*next_slot / 2 % (uint64_t)opt.calls), *next_slot & 1,
                   (uint32_t)(*next_slot / (uint64_t)slots));
    for (int side = 0; side < SIDES; side++)
        flush(side);
}

static void count_packet(uint8_t *packet, int length, uint32_t side, uint64_t time_ns) {
    uint32_t ssrc;
    struct mark mark;
    if (with_srtp && side == 1) {
        memcpy(&ssrc, packet + 8, 4);
        uint32_t call = (ntohl(ssrc) - FIRST_SSRC) / 2;
        if (call >= (uint32_t)opt.calls || !srtp_side_unprotect(call, packet, length)) {
            auth_failures++;
            return;
        }
    }
    memcpy(&mark, packet + RTP_HEADER, sizeof mark);
    if (mark.magic != MAGIC || (mark.flags & 1) == side) {
        foreign++;
        return;
    }
    if (!(mark.flags & 2))
        return;
    uint64_t us = (time_ns - mark.sent_ns) / 1000;
    received++;
    histogram[us > LONGEST_LATENCY_US ? LONGEST_LATENCY_US : us]++;
}

static void receive(int side) {
    int count = recvmmsg(fd[side], incoming.message, BATCH, MSG_DONTWAIT, NULL);
    uint64_t time_ns = now_ns();
    for (int i = 0; i < count; i++)
        count_packet(incoming.buffer[i], (int)incoming.message[i].msg_len, (uint32_t)side, time_ns);
}

static void run(void) {
    uint64_t start = now_ns(), measure = start + (uint64_t)(opt.warmup * 1e9), slot = 0;
    uint64_t stop = measure + (uint64_t)(opt.seconds * 1e9);
    for (uint64_t now = start; now < stop + DRAIN_NS; now = now_ns()) {
        measuring = now >= measure;
        if (now < stop)
            send_due(now - start, &slot);
        for (int side = 0; side < SIDES; side++)
            receive(side);
    }
}

static int percentile(double share) {
    uint64_t sum = 0;
    for (int us = 0; us <= LONGEST_LATENCY_US; us++) {
        sum += histogram[us];
        if (received && (double)sum >= share * (double)received)
            return us;
    }
    return 0;
}

static void report(double generator_cpu) {
    double loss = sent ? 100.0 * (double)((int64_t)(sent - received)) / (double)sent : 0;
    printf("{\"calls\":%d,\"packet_ms\":%g,\"seconds\":%g,\"sent\":%llu,\"received\":%llu,\"loss_pct\":%.4f,"
           "\"per_s\":%.0f,\"p50_us\":%d,\"p99_us\":%d,\"p999_us\":%d,\"behind_us_max\":%llu,\"send_errors\":"
           "%llu,"
           "\"foreign\":%llu,\"auth_failures\":%llu,\"srtp\":%d,\"generator_cpu_s\":%.3f}\n",
           opt.calls, opt.packet_ms, opt.seconds, (unsigned long long)sent, (unsigned long long)received,
           loss, (double)sent / opt.seconds, percentile(0.5), percentile(0.99), percentile(0.999),
           (unsigned long long)most_behind_us, (unsigned long long)send_errors, (unsigned long long)foreign,
           (unsigned long long)auth_failures, with_srtp, generator_cpu);
}

int main(int argc, char **argv) {
    if (!parse_options(argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    pin_to(opt.cpu);
    for (int side = 0; side < SIDES; side++) {
        fd[side] = udp_socket(opt.local_ip, opt.local_port[side], 0);
        prepare(&outgoing[side], PACKET);
    }
    prepare(&incoming, BUFFER);
    if (!find_relay_ports())
        return 2;
    run();
    report(cpu_seconds());
    return 0;
}
