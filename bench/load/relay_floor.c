// relay_floor: the user-space floor of RTP relaying, a relay with nothing but forwarding.
//
// One connected socket a leg, epoll, recv and send. With -t MICROSECONDS it looks only once per that time, so
// that one wake-up serves many sockets (and adds up to that much delay). With -m packets of a socket are moved
// in batches (recvmmsg, sendmmsg). Leg ports are FIRST_A + i*STEP and
// FIRST_B + i*STEP; legs A talk to the generator's port -A, legs B to its port -B.
//
// Prints "ready" when its sockets are bound, and ends on SIGTERM.
#define _GNU_SOURCE
#include <signal.h>
#include <sys/epoll.h>
#include "common.h"

enum { MAX_EVENTS = 512, BUFFER = 2048, BATCH = 16 };

static struct {
    const char *local_ip, *generator_ip;
    int first_port[2], generator_port[2], step, calls, cpu, look_every_us, batched;
} opt = {.local_ip = "127.0.0.1",
         .generator_ip = "127.0.0.1",
         .first_port = {30000, 30002},
         .generator_port = {40000, 40002},
         .step = 4,
         .calls = 100,
         .cpu = -1};
static volatile sig_atomic_t stopped;
static int *leg_fd;

static void on_signal(int number) {
    (void)number;
    stopped = 1;
}

static int parse_options(int argc, char **argv) {
    int letter;
    while ((letter = getopt(argc, argv, "l:g:a:b:S:n:c:A:B:t:m")) != -1)
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
        case 'm': opt.batched = 1; break;
        case 't': opt.look_every_us = atoi(optarg); break;
        default: return 0;
        }
    return opt.calls > 0 && opt.look_every_us >= 0 && opt.look_every_us < 1000000;
}

// Leg 2i is side A of call i, leg 2i+1 its side B: the other leg of a call is always leg ^ 1.
static int open_legs(int epoll) {
    leg_fd = calloc((size_t)opt.calls * 2, sizeof *leg_fd);
    for (int leg = 0; leg < 2 * opt.calls; leg++) {
        int side = leg & 1;
        struct sockaddr_in generator = address(opt.generator_ip, opt.generator_port[side]);
        leg_fd[leg] = udp_socket(opt.local_ip, opt.first_port[side] + leg / 2 * opt.step, SOCK_NONBLOCK);
        if (connect(leg_fd[leg], (struct sockaddr *)&generator, sizeof generator))
            return 0;
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)leg};
        epoll_ctl(epoll, EPOLL_CTL_ADD, leg_fd[leg], &event);
    }
    return 1;
}

// Level-triggered: without -t one receive per readiness is enough, with -t the socket is drained.
static void forward(uint32_t leg) {
    static uint8_t packet[BUFFER];
    ssize_t length;
    while ((length = recv(leg_fd[leg], packet, sizeof packet, 0)) >= 0) {
        send(leg_fd[leg ^ 1], packet, (size_t)length, 0);
        if (!opt.look_every_us)
            return;
    }
}

static void forward_batches(uint32_t leg) {
    static uint8_t packets[BATCH][BUFFER];
    static struct mmsghdr messages[BATCH];
    static struct iovec vectors[BATCH];
    int count;
    do {
        for (int i = 0; i < BATCH; i++) {
            vectors[i] = (struct iovec){packets[i], BUFFER};
            messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
        }
        count = recvmmsg(leg_fd[leg], messages, BATCH, 0, NULL);
        for (int i = 0; i < count; i++)
            vectors[i].iov_len = messages[i].msg_len;
        if (count > 0)
            sendmmsg(leg_fd[leg ^ 1], messages, (unsigned)count, 0);
    } while (count == BATCH);
}

static void run(int epoll) {
    struct epoll_event events[MAX_EVENTS];
    struct timespec pause = {0, opt.look_every_us * 1000L};
    while (!stopped) {
        if (opt.look_every_us)
            nanosleep(&pause, NULL);
        int ready = epoll_wait(epoll, events, MAX_EVENTS, 100);
        for (int i = 0; i < ready; i++)
            (opt.batched ? forward_batches : forward)(events[i].data.u32);
    }
}

int main(int argc, char **argv) {
    if (!parse_options(argc, argv)) {
        fprintf(stderr, "usage: relay_floor -n CALLS [-c CPU] [-l IP -a FIRST_A -b FIRST_B -S STEP] "
                        "[-g GENERATOR_IP -A PORT_A -B PORT_B] [-t LOOK_EVERY_US] [-m]\n");
        return 2;
    }
    pin_to(opt.cpu);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    struct rlimit files = {65536, 65536};
    setrlimit(RLIMIT_NOFILE, &files);
    int epoll = epoll_create1(0);
    if (!open_legs(epoll)) {
        perror("connect");
        return 2;
    }
    printf("ready %d\n", getpid());
    fflush(stdout);
    run(epoll);
    return 0;
}
