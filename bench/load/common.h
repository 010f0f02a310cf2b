// What the load generators share: clocks, processor pinning, addresses and sockets.
#ifndef TRUNKLINE_BENCH_COMMON_H
#define TRUNKLINE_BENCH_COMMON_H
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static inline uint64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000ull + (uint64_t)time.tv_nsec;
}

static inline uint64_t now_us(void) {
    return now_ns() / 1000;
}

static inline double cpu_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

// Runs this process on one processor; a negative number leaves the choice to the kernel.
static inline void pin_to(int cpu) {
    if (cpu < 0)
        return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

static inline struct sockaddr_in address(const char *ip, int port) {
    struct sockaddr_in result = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, ip, &result.sin_addr);
    return result;
}

// A bound UDP socket. Buffers grow to 8 MiB where the process may (FORCE needs CAP_NET_ADMIN).
static inline int udp_socket(const char *ip, int port, int flags) {
    int fd = socket(AF_INET, SOCK_DGRAM | flags, 0);
    int size = 8 << 20;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    struct sockaddr_in local = address(ip, port);
    if (bind(fd, (struct sockaddr *)&local, sizeof local)) {
        fprintf(stderr, "bind %s:%d: ", ip, port);
        perror(NULL);
        exit(2);
    }
    return fd;
}

#endif
