// rtp_blast: sends the A sides of N calls as fast as one processor can, and reports its own CPU time a packet.
//
// Where received packets are worked on at once (veth without steering), the system call that sends a packet
// runs all the way that the packet goes: the difference between two targets is what lies between them. The
// streams are those of rtp_load, continued at -s SEQUENCE. Nothing is read.
//
// Output: one JSON object.
#define _GNU_SOURCE
#include "common.h"

enum { PACKET = 172, BATCH = 32, SLICE = 3200, MAX_SLICES = 20000, MAX_CALLS = 20000 };
static const uint32_t FIRST_SSRC = 0x10000000u;

static struct {
    const char *local_ip, *relay_ip, *port_file;
    int local_port, first_port, step, calls, cpu, sequence;
    long packets;
} opt = {.local_ip = "127.0.0.1",
         .relay_ip = "127.0.0.1",
         .local_port = 40000,
         .first_port = 30000,
         .step = 4,
         .calls = 100,
         .cpu = -1,
         .packets = 300000};
static struct sockaddr_in relay[MAX_CALLS];
static double slice_ns[MAX_SLICES];

static int parse_options(int argc, char **argv) {
    int letter;
    while ((letter = getopt(argc, argv, "l:r:A:a:S:n:c:P:s:k:")) != -1)
        switch (letter) {
        case 'l': opt.local_ip = optarg; break;
        case 'r': opt.relay_ip = optarg; break;
        case 'A': opt.local_port = atoi(optarg); break;
        case 'a': opt.first_port = atoi(optarg); break;
        case 'S': opt.step = atoi(optarg); break;
        case 'n': opt.calls = atoi(optarg); break;
        case 'c': opt.cpu = atoi(optarg); break;
        case 'P': opt.port_file = optarg; break;
        case 's': opt.sequence = atoi(optarg); break;
        case 'k': opt.packets = atol(optarg); break;
        default: return 0;
        }
    return opt.calls >= 1 && opt.calls <= MAX_CALLS && opt.packets > 0 && opt.packets <= (long)SLICE * MAX_SLICES;
}

static int find_relay_ports(void) {
    FILE *file = opt.port_file ? fopen(opt.port_file, "r") : NULL;
    char line[512];
    for (int call = 0; call < opt.calls; call++) {
        int port = opt.first_port + call * opt.step;
        if (opt.port_file && (!file || !fgets(line, sizeof line, file) || sscanf(line, "%d", &port) != 1))
            return 0;
        relay[call] = address(opt.relay_ip, port);
    }
    if (file)
        fclose(file);
    return 1;
}

static double cpu_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void fill(uint8_t *packet, long number) {
    uint32_t call = (uint32_t)(number % opt.calls), sequence = (uint32_t)(opt.sequence + number / opt.calls);
    uint32_t timestamp = htonl(sequence * 160), ssrc = htonl(FIRST_SSRC + call * 2);
    packet[0] = 0x80;
    packet[1] = 0;
    packet[2] = (uint8_t)(sequence >> 8);
    packet[3] = (uint8_t)sequence;
    memcpy(packet + 4, &timestamp, 4);
    memcpy(packet + 8, &ssrc, 4);
}

int main(int argc, char **argv) {
    static uint8_t buffer[BATCH][PACKET];
    static struct mmsghdr message[BATCH];
    static struct iovec vector[BATCH];
    if (!parse_options(argc, argv) || !find_relay_ports()) {
        fprintf(stderr, "usage: rtp_blast -n CALLS -k PACKETS [-s SEQUENCE] [-c CPU] [-l LOCAL_IP] [-r RELAY_IP]\n"
                        "  [-A LOCAL_PORT] [-a FIRST_PORT -S STEP | -P PORT_FILE]\n");
        return 2;
    }
    pin_to(opt.cpu);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in local = address(opt.local_ip, opt.local_port);
    if (fd < 0 || bind(fd, (struct sockaddr *)&local, sizeof local)) {
        perror("bind");
        return 2;
    }
    memset(buffer, 0xff, sizeof buffer);
    for (int i = 0; i < BATCH; i++) {
        vector[i] = (struct iovec){buffer[i], PACKET};
        message[i].msg_hdr = (struct msghdr){.msg_iov = &vector[i], .msg_iovlen = 1, .msg_namelen = sizeof *relay};
    }
    long number = 0;
    int slices = 0;
    uint64_t start = now_ns();
    while (number < opt.packets && slices < MAX_SLICES) {
        double before = cpu_ns();
        for (int in_slice = 0; in_slice < SLICE; in_slice += BATCH) {
            for (int i = 0; i < BATCH; i++, number++) {
                fill(buffer[i], number);
                message[i].msg_hdr.msg_name = &relay[number % opt.calls];
            }
            if (sendmmsg(fd, message, BATCH, 0) != BATCH) {
                perror("sendmmsg");
                return 1;
            }
        }
        slice_ns[slices++] = (cpu_ns() - before) / SLICE;
    }
    double seconds = (double)(now_ns() - start) / 1e9;
    qsort(slice_ns, (size_t)slices, sizeof *slice_ns, by_size);
    printf("{\"packets\":%ld,\"median_ns\":%.0f,\"p10_ns\":%.0f,\"p90_ns\":%.0f,\"per_s\":%.0f}\n", number,
           slice_ns[slices / 2], slice_ns[slices / 10], slice_ns[slices * 9 / 10], (double)number / seconds);
    return 0;
}
