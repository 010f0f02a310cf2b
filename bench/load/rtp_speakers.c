// rtp_speakers: N parties that speak recorded payloads to a media engine, a packet each 20 ms, and count what
// comes back. For engines that do not return what they were sent: conferences, conversions.
//
// The port file has a line for each party: "port payloadType timestampStep framesFile". A file of frames is a
// row of payloads, each behind its length (two octets, the higher first); each party begins at another place of
// it. All parties share one socket, so the engine sees one remote address.
//
// Output: one JSON object.
#define _GNU_SOURCE
#include "common.h"

enum {
    RTP_HEADER = 12,
    LONGEST_PAYLOAD = 1400,
    BATCH = 32,
    DRAIN_NS = 300000000,
    MAX_PARTIES = 10000,
    MAX_FILES = 8,
    MAX_FRAMES = 20000,
    APART = 37,
};
static const uint32_t FIRST_SSRC = 0x20000000u;
static const double PACKET_NS = 20e6;

struct frames {
    char path[256];
    int count, length[MAX_FRAMES];
    const uint8_t *payload[MAX_FRAMES];
};

struct party {
    struct sockaddr_in port;
    uint32_t step;
    uint8_t payload_type;
    const struct frames *frames;
};

static struct {
    const char *local_ip, *relay_ip, *port_file;
    int local_port, parties, cpu;
    double seconds, warmup;
} opt = {"127.0.0.1", "127.0.0.1", NULL, 40000, 0, -1, 10, 1};

static struct frames files[MAX_FILES];
static struct party party[MAX_PARTIES];
static int file_count, fd, measuring;
static uint64_t sent, received, send_errors, most_behind_us;

static int parse_options(int argc, char **argv) {
    int letter;
    while ((letter = getopt(argc, argv, "n:d:w:c:l:r:A:P:")) != -1)
        switch (letter) {
        case 'n': opt.parties = atoi(optarg); break;
        case 'd': opt.seconds = atof(optarg); break;
        case 'w': opt.warmup = atof(optarg); break;
        case 'c': opt.cpu = atoi(optarg); break;
        case 'l': opt.local_ip = optarg; break;
        case 'r': opt.relay_ip = optarg; break;
        case 'A': opt.local_port = atoi(optarg); break;
        case 'P': opt.port_file = optarg; break;
        default: return 0;
        }
    return opt.port_file && opt.parties >= 1 && opt.parties <= MAX_PARTIES && opt.seconds > 0 && opt.seconds <= 120;
}

static int read_frames(struct frames *into, const char *path) {
    FILE *file = fopen(path, "rb");
    uint8_t head[2];
    snprintf(into->path, sizeof into->path, "%s", path);
    while (file && into->count < MAX_FRAMES && fread(head, 1, 2, file) == 2) {
        int length = head[0] << 8 | head[1];
        uint8_t *payload = malloc((size_t)length + 1);
        if (length > LONGEST_PAYLOAD || !payload || fread(payload, 1, (size_t)length, file) != (size_t)length)
            break;
        into->payload[into->count] = payload;
        into->length[into->count++] = length;
    }
    if (file)
        fclose(file);
    return into->count > 0;
}

static const struct frames *frames_of(const char *path) {
    for (int i = 0; i < file_count; i++)
        if (!strcmp(files[i].path, path))
            return &files[i];
    if (file_count == MAX_FILES || !read_frames(&files[file_count], path))
        return NULL;
    return &files[file_count++];
}

static int read_port_file(void) {
    FILE *file = fopen(opt.port_file, "r");
    char line[512], path[256];
    int port, payload_type, step, count = 0;
    for (; file && count < opt.parties && fgets(line, sizeof line, file); count++) {
        if (sscanf(line, "%d %d %d %255s", &port, &payload_type, &step, path) != 4)
            break;
        party[count] = (struct party){address(opt.relay_ip, port), (uint32_t)step, (uint8_t)payload_type,
                                      frames_of(path)};
        if (!party[count].frames)
            break;
    }
    if (file)
        fclose(file);
    if (count < opt.parties)
        fprintf(stderr, "%s: line %d is missing or wrong\n", opt.port_file, count + 1);
    return count == opt.parties;
}

static size_t put_packet(uint8_t *packet, uint32_t number, uint32_t sequence) {
    const struct party *who = &party[number];
    int frame = (int)((sequence + number * APART) % (uint32_t)who->frames->count);
    uint32_t timestamp = htonl(sequence * who->step), ssrc = htonl(FIRST_SSRC + number);
    packet[0] = 0x80;
    packet[1] = who->payload_type;
    packet[2] = (uint8_t)(sequence >> 8);
    packet[3] = (uint8_t)sequence;
    memcpy(packet + 4, &timestamp, 4);
    memcpy(packet + 8, &ssrc, 4);
    memcpy(packet + RTP_HEADER, who->frames->payload[frame], (size_t)who->frames->length[frame]);
    return RTP_HEADER + (size_t)who->frames->length[frame];
}

static void send_due(uint64_t elapsed_ns, uint64_t *next_slot) {
    static uint8_t buffer[BATCH][RTP_HEADER + LONGEST_PAYLOAD];
    static struct mmsghdr message[BATCH];
    static struct iovec vector[BATCH];
    uint64_t parties = (uint64_t)opt.parties, due = (uint64_t)((double)elapsed_ns / PACKET_NS * (double)parties);
    if (measuring && due > *next_slot) {
        uint64_t behind_us = (uint64_t)((double)(due - *next_slot) * PACKET_NS / (double)parties / 1000);
        if (behind_us > most_behind_us)
            most_behind_us = behind_us;
    }
    unsigned count = 0, done = 0;
    for (; *next_slot < due && count < BATCH; ++*next_slot, count++) {
        uint32_t number = (uint32_t)(*next_slot % parties);
        vector[count] = (struct iovec){buffer[count], put_packet(buffer[count], number, (uint32_t)(*next_slot / parties))};
        message[count].msg_hdr = (struct msghdr){.msg_name = &party[number].port,
                                                 .msg_namelen = sizeof party[number].port,
                                                 .msg_iov = &vector[count],
                                                 .msg_iovlen = 1};
    }
    while (done < count) {
        int now = sendmmsg(fd, message + done, count - done, 0);
        if (now < 0) {
            send_errors++;
            done++;
            continue;
        }
        done += (unsigned)now;
        if (measuring)
            sent += (uint64_t)now;
    }
}

static void receive(void) {
    static uint8_t buffer[BATCH][64];
    static struct mmsghdr message[BATCH];
    static struct iovec vector[BATCH];
    for (int i = 0; i < BATCH; i++) {
        vector[i] = (struct iovec){buffer[i], sizeof buffer[i]};
        message[i].msg_hdr = (struct msghdr){.msg_iov = &vector[i], .msg_iovlen = 1};
    }
    int count = recvmmsg(fd, message, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++) {
        int payload_type = buffer[i][1] & 0x7f;
        received += measuring && message[i].msg_len >= RTP_HEADER && (payload_type < 64 || payload_type > 95);
    }
}

static void run(void) {
    uint64_t start = now_ns(), measure = start + (uint64_t)(opt.warmup * 1e9), slot = 0;
    uint64_t stop = measure + (uint64_t)(opt.seconds * 1e9);
    for (uint64_t now = start; now < stop + DRAIN_NS; now = now_ns()) {
        measuring = now >= measure && now < stop;
        if (now < stop)
            send_due(now - start, &slot);
        receive();
    }
}

int main(int argc, char **argv) {
    if (!parse_options(argc, argv)) {
        fputs("usage: rtp_speakers -n PARTIES -P PORT_FILE [-d SECONDS] [-w WARMUP_S] [-c CPU] [-l LOCAL_IP]\n"
              "  [-r RELAY_IP] [-A LOCAL_PORT]\n",
              stderr);
        return 2;
    }
    pin_to(opt.cpu);
    if (!read_port_file())
        return 2;
    fd = udp_socket(opt.local_ip, opt.local_port, 0);
    run();
    printf("{\"parties\":%d,\"seconds\":%g,\"sent\":%llu,\"received\":%llu,\"behind_us_max\":%llu,\"send_errors\":%llu,"
           "\"generator_cpu_s\":%.3f}\n",
           opt.parties, opt.seconds, (unsigned long long)sent, (unsigned long long)received,
           (unsigned long long)most_behind_us, (unsigned long long)send_errors, cpu_seconds());
    return 0;
}
