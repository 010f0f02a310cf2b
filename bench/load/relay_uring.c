// relay_uring: the floor of RTP relaying by io_uring: one multishot receive a leg, buffers handed out by the
// kernel, one send a packet, all submitted at once.
//
// Options, ports and output as in relay_floor; -t is taken and means nothing.
#define _GNU_SOURCE
#include <liburing.h>
#include <signal.h>
#include "common.h"

enum { ENTRIES = 4096, BUFFERS = 16384, BUFFER = 512, GROUP = 1, IS_SEND = 1 << 30 };

static struct {
    const char *local_ip, *generator_ip;
    int first_port[2], generator_port[2], step, calls, cpu;
} opt = {.local_ip = "127.0.0.1",
         .generator_ip = "127.0.0.1",
         .first_port = {30000, 30002},
         .generator_port = {40000, 40002},
         .step = 4,
         .calls = 100,
         .cpu = -1};
static volatile sig_atomic_t stopped;
static int *leg_fd;
static struct io_uring ring;
static struct io_uring_buf_ring *pool;
static uint8_t *buffers;

static void on_signal(int number) {
    (void)number;
    stopped = 1;
}

static int parse_options(int argc, char **argv) {
    int letter;
    while ((letter = getopt(argc, argv, "l:g:a:b:S:n:c:A:B:t:")) != -1)
        switch (letter) {
        case 'l': opt.local_ip = optarg; break;
        case 'g': opt.generator_ip = optarg; break;
        case 'a': opt.first_port[0] = atoi(optarg); break;
        case 'b': opt.first_port[1] = atoi(optarg); break;
        case 'A': opt.generator_port[0] = atoi(optarg); break;
        case 'B': opt.generator_port[1] = atoi(optarg); break;
        case 'S': opt.step = atoi(optarg); break;
        case 'n': opt.calls = atoi(optarg); break;
        case 'c': opt.cpu = atoi(optarg); break;
        case 't': break;
        default: return 0;
        }
    return opt.calls > 0;
}

static struct io_uring_sqe *entry(void) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
    if (!sqe) {
        io_uring_submit(&ring);
        sqe = io_uring_get_sqe(&ring);
    }
    return sqe;
}

static void give_back(int buffer) {
    io_uring_buf_ring_add(pool, buffers + (size_t)buffer * BUFFER, BUFFER, (unsigned short)buffer,
                          io_uring_buf_ring_mask(BUFFERS), 0);
    io_uring_buf_ring_advance(pool, 1);
}

static void listen_to(uint32_t leg) {
    struct io_uring_sqe *sqe = entry();
    io_uring_prep_recv_multishot(sqe, leg_fd[leg], NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = GROUP;
    io_uring_sqe_set_data64(sqe, leg);
}

static int prepare(void) {
    struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN |
                                              IORING_SETUP_CQSIZE,
                                     .cq_entries = 4 * ENTRIES};
    if (io_uring_queue_init_params(ENTRIES, &ring, &params))
        return 0;
    buffers = malloc((size_t)BUFFERS * BUFFER);
    if (posix_memalign((void **)&pool, 4096, BUFFERS * sizeof(struct io_uring_buf)))
        return 0;
    struct io_uring_buf_reg reg = {.ring_addr = (uintptr_t)pool, .ring_entries = BUFFERS, .bgid = GROUP};
    if (io_uring_register_buf_ring(&ring, &reg, 0))
        return 0;
    io_uring_buf_ring_init(pool);
    for (int buffer = 0; buffer < BUFFERS; buffer++)
        give_back(buffer);
    leg_fd = calloc((size_t)opt.calls * 2, sizeof *leg_fd);
    for (int leg = 0; leg < 2 * opt.calls; leg++) {
        int side = leg & 1;
        struct sockaddr_in generator = address(opt.generator_ip, opt.generator_port[side]);
        leg_fd[leg] = udp_socket(opt.local_ip, opt.first_port[side] + leg / 2 * opt.step, 0);
        if (connect(leg_fd[leg], (struct sockaddr *)&generator, sizeof generator))
            return 0;
        listen_to((uint32_t)leg);
    }
    return 1;
}

static void complete(struct io_uring_cqe *cqe) {
    uint64_t data = io_uring_cqe_get_data64(cqe);
    if (data & IS_SEND) {
        give_back((int)(data & 0xffff));
        return;
    }
    if (cqe->flags & IORING_CQE_F_BUFFER && cqe->res >= 0) {
        int buffer = (int)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
        struct io_uring_sqe *sqe = entry();
        io_uring_prep_send(sqe, leg_fd[data ^ 1], buffers + (size_t)buffer * BUFFER, (size_t)cqe->res, 0);
        io_uring_sqe_set_data64(sqe, IS_SEND | (uint64_t)buffer);
    }
    if (!(cqe->flags & IORING_CQE_F_MORE))
        listen_to((uint32_t)data);
}

int main(int argc, char **argv) {
    if (!parse_options(argc, argv)) {
        fprintf(stderr, "usage: relay_uring -n CALLS [-c CPU] [-l IP -a FIRST_A -b FIRST_B -S STEP] "
                        "[-g GENERATOR_IP -A PORT_A -B PORT_B]\n");
        return 2;
    }
    pin_to(opt.cpu);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    struct rlimit files = {65536, 65536};
    setrlimit(RLIMIT_NOFILE, &files);
    if (!prepare()) {
        perror("io_uring");
        return 2;
    }
    printf("ready %d\n", getpid());
    fflush(stdout);
    while (!stopped && io_uring_submit_and_wait(&ring, 1) >= 0) {
        struct io_uring_cqe *cqe;
        unsigned head, seen = 0;
        io_uring_for_each_cqe(&ring, head, cqe) {
            complete(cqe);
            seen++;
        }
        io_uring_cq_advance(&ring, seen);
    }
    return 0;
}
