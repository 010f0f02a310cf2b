// register_load: closed-loop REGISTER load with digest authentication over UDP.
//
// One registration is REGISTER, 401 with a challenge, REGISTER with Authorization, 200. Users are
// PREFIX + (FIRST + i), i in 0..USERS-1, all with the same password; each has a Contact of its own and
// registers again when its turn comes round (Call-ID kept, CSeq raised). IN_FLIGHT registrations are
// under way at any time; an answer that does not come within 500 ms is asked for again (counted).
//
// Output: one JSON object: registrations per second, failures, retransmissions, latency in microseconds.
#define _GNU_SOURCE
#include <poll.h>
#include <strings.h>
#include "common.h"
#include "md5.h"

enum { MAX_IN_FLIGHT = 4096, MAX_LATENCIES = 2000000, RETRY_US = 500000, MAX_SECONDS = 300 };

struct options {
    const char *server_ip, *local_ip, *prefix, *password, *domain;
    int server_port, local_port, first, users, in_flight, expires, cpu, each_once;
    double seconds, per_second;
};

struct registration {
    int active, user, authorized;
    uint32_t branch;
    uint64_t started_us, sent_us;
    char authorization[900];
};

struct counters {
    uint64_t ok, failed, retries, challenges, finished, started, latencies;
    int last_failure;
};

static struct options opt = {.server_ip = "127.0.0.1",
                             .local_ip = "127.0.0.1",
                             .prefix = "u",
                             .password = "secret",
                             .domain = "bench.test",
                             .server_port = 5060,
                             .local_port = 5090,
                             .first = 100000,
                             .users = 1000,
                             .in_flight = 32,
                             .expires = 3600,
                             .cpu = -1,
                             .seconds = 10};
static struct counters count;
static struct registration *slots;
static uint32_t *cseq, next_branch, latency_us[MAX_LATENCIES];
static int fd, next_user;
static struct sockaddr_in server;

static const char usage[] =
    "usage: register_load -s SERVER_IP -p PORT [-l LOCAL_IP -L LOCAL_PORT] -u PREFIX -f FIRST -n USERS\n"
    "  -a PASSWORD -r DOMAIN [-w IN_FLIGHT] [-d SECONDS] [-R PER_SECOND] [-e EXPIRES] [-c CPU]\n"
    "  [-1 (each user once, then stop)]\n";

static int parse_options(int argc, char **argv) {
    int letter;
    while ((letter = getopt(argc, argv, "s:p:l:L:u:f:n:a:r:w:d:R:e:c:1")) != -1)
        switch (letter) {
        case 's': opt.server_ip = optarg; break;
        case 'p': opt.server_port = atoi(optarg); break;
        case 'l': opt.local_ip = optarg; break;
        case 'L': opt.local_port = atoi(optarg); break;
        case 'u': opt.prefix = optarg; break;
        case 'f': opt.first = atoi(optarg); break;
        case 'n': opt.users = atoi(optarg); break;
        case 'a': opt.password = optarg; break;
        case 'r': opt.domain = optarg; break;
        case 'w': opt.in_flight = atoi(optarg); break;
        case 'd': opt.seconds = atof(optarg); break;
        case 'R': opt.per_second = atof(optarg); break;
        case 'e': opt.expires = atoi(optarg); break;
        case 'c': opt.cpu = atoi(optarg); break;
        case '1': opt.each_once = 1; break;
        default: return 0;
        }
    if (opt.in_flight > opt.users)
        opt.in_flight = opt.users;
    return opt.users > 0 && opt.in_flight > 0 && opt.in_flight <= MAX_IN_FLIGHT && opt.seconds <= MAX_SECONDS;
}

static void transmit(struct registration *r) {
    char text[2600];
    int user = opt.first + r->user;
    int length = snprintf(text, sizeof text,
                          "REGISTER sip:%s SIP/2.0\r\n"
                          "Via: SIP/2.0/UDP %s:%d;branch=z9hG4bK-%d-%u;rport\r\n"
                          "Max-Forwards: 70\r\n"
                          "From: <sip:%s%d@%s>;tag=f%d\r\n"
                          "To: <sip:%s%d@%s>\r\n"
                          "Call-ID: r%d@%s\r\n"
                          "CSeq: %u REGISTER\r\n"
                          "Contact: <sip:%s%d@%s:%d;transport=udp;line=%08x>\r\n"
                          "Expires: %d\r\n"
                          "User-Agent: register_load/1\r\n"
                          "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY, MESSAGE\r\n"
                          "Supported: path, outbound\r\n"
                          "%sContent-Length: 0\r\n\r\n",
                          opt.domain, opt.local_ip, opt.local_port, (int)(r - slots), r->branch, opt.prefix,
                          user, opt.domain, user, opt.prefix, user, opt.domain, user, opt.local_ip,
                          cseq[r->user], opt.prefix, user, opt.local_ip, opt.local_port,
                          (unsigned)user * 2654435761u, opt.expires, r->authorized ? r->authorization : "");
    r->sent_us = now_us();
    sendto(fd, text, (size_t)length, 0, (struct sockaddr *)&server, sizeof server);
}

static void start(struct registration *r) {
    r->user = next_user++;
    if (!opt.each_once)
        next_user %= opt.users;
    r->active = 1;
    r->authorized = 0;
    r->branch = ++next_branch;
    r->started_us = now_us();
    cseq[r->user]++;
    count.started++;
    transmit(r);
}

static void fill_slots(uint64_t start_us) {
    for (int i = 0; i < opt.in_flight; i++) {
        if (slots[i].active)
            continue;
        if (opt.each_once && next_user >= opt.users)
            return;
        double due = (double)(now_us() - start_us) * 1e-6 * opt.per_second;
        if (opt.per_second > 0 && (double)count.started >= due)
            return;
        start(&slots[i]);
    }
}

// Copies the value of an auth-param (RFC 3261 §25.1), without its quotes; "" when it is not there.
static void parameter(const char *header, const char *name, char *out, size_t capacity) {
    const char *at = header;
    size_t length = strlen(name), used = 0;
    out[0] = 0;
    while ((at = strcasestr(at, name))) {
        if ((at == header || at[-1] == ' ' || at[-1] == ',') && at[length] == '=')
            break;
        at += length;
    }
    if (!at)
        return;
    at += length + 1;
    const char *end = *at == '"' ? "\"" : ", \r\n";
    if (*at == '"')
        at++;
    while (*at && !strchr(end, *at) && used + 1 < capacity)
        out[used++] = *at++;
    out[used] = 0;
}

// A server may challenge with several algorithms, the strongest first (RFC 8760 §2.4): MD5 is looked for.
static int find_md5_challenge(char *message, const char *name, char *out, size_t capacity) {
    char algorithm[32];
    for (char *at = message; (at = strcasestr(at, name)); at++) {
        size_t length = strcspn(at + 1, "\r\n") + 1;
        if (length >= capacity)
            continue;
        memcpy(out, at, length);
        out[length] = 0;
        parameter(out, "algorithm", algorithm, sizeof algorithm);
        if (!*algorithm || !strcasecmp(algorithm, "MD5"))
            return 1;
    }
    return 0;
}

static void authorize(struct registration *r, const char *challenge) {
    char realm[128], nonce[256], qop[32], opaque[128], user[64], uri[128];
    char text[1000], ha1[33], ha2[33], response[33];
    parameter(challenge, "realm", realm, sizeof realm);
    parameter(challenge, "nonce", nonce, sizeof nonce);
    parameter(challenge, "qop", qop, sizeof qop);
    parameter(challenge, "opaque", opaque, sizeof opaque);
    snprintf(user, sizeof user, "%s%d", opt.prefix, opt.first + r->user);
    snprintf(uri, sizeof uri, "sip:%s", opt.domain);
    snprintf(text, sizeof text, "%s:%s:%s", user, realm, opt.password);
    md5_hex(text, ha1);
    snprintf(text, sizeof text, "REGISTER:%s", uri);
    md5_hex(text, ha2);
    char with_qop[64] = "";
    if (*qop)
        snprintf(with_qop, sizeof with_qop, "00000001:%08x:auth:", r->branch);
    snprintf(text, sizeof text, "%s:%s:%s%s", ha1, nonce, with_qop, ha2);
    md5_hex(text, response);
    char *out = r->authorization;
    size_t capacity = sizeof r->authorization, used;
    used = (size_t)snprintf(out, capacity,
                            "Authorization: Digest username=\"%s\", realm=\"%s\", nonce=\"%s\", uri=\"%s\", "
                            "response=\"%s\", algorithm=MD5",
                            user, realm, nonce, uri, response);
    if (*qop)
        used += (size_t)snprintf(out + used, capacity - used, ", qop=auth, nc=00000001, cnonce=\"%08x\"",
                                 r->branch);
    if (*opaque)
        used += (size_t)snprintf(out + used, capacity - used, ", opaque=\"%s\"", opaque);
    snprintf(out + used, capacity - used, "\r\n");
}

static void finish(struct registration *r, int status) {
    if (status == 200) {
        count.ok++;
        if (count.latencies < MAX_LATENCIES)
            latency_us[count.latencies++] = (uint32_t)(now_us() - r->started_us);
    } else {
        count.failed++;
        count.last_failure = status;
    }
    r->active = 0;
    count.finished++;
}

static void on_response(char *message) {
    int status = 0, index;
    uint32_t branch;
    char challenge[1024];
    if (sscanf(message, "SIP/2.0 %d", &status) != 1 || status < 200)
        return;
    char *via = strcasestr(message, "branch=z9hG4bK-");
    if (!via || sscanf(via, "branch=z9hG4bK-%d-%u", &index, &branch) != 2)
        return;
    if (index < 0 || index >= opt.in_flight)
        return;
    struct registration *r = &slots[index];
    if (!r->active || r->branch != branch)
        return;
    const char *name = status == 407 ? "\nProxy-Authenticate:" : "\nWWW-Authenticate:";
    int challenged = (status == 401 || status == 407) && !r->authorized;
    if (!challenged || !find_md5_challenge(message, name, challenge, sizeof challenge)) {
        finish(r, status);
        return;
    }
    authorize(r, challenge);
    count.challenges++;
    r->authorized = 1;
    r->branch = ++next_branch;
    cseq[r->user]++;
    transmit(r);
}

static int drain_socket(void) {
    char message[4096];
    ssize_t length;
    int received = 0;
    while ((length = recv(fd, message, sizeof message - 1, MSG_DONTWAIT)) > 0) {
        message[length] = 0;
        on_response(message);
        received++;
    }
    return received;
}

static void retry_overdue(void) {
    static uint64_t last_us;
    uint64_t now = now_us();
    if (now - last_us < RETRY_US / 10)
        return;
    last_us = now;
    for (int i = 0; i < opt.in_flight; i++)
        if (slots[i].active && now - slots[i].sent_us > RETRY_US) {
            count.retries++;
            transmit(&slots[i]);
        }
}

static void run(uint64_t start_us) {
    uint64_t end_us = start_us + (uint64_t)(opt.seconds * 1e6);
    while (now_us() < end_us && !(opt.each_once && count.finished >= (uint64_t)opt.users)) {
        fill_slots(start_us);
        if (drain_socket())
            continue;
        struct pollfd wait = {fd, POLLIN, 0};
        poll(&wait, 1, 1);
        retry_overdue();
    }
}

static int by_value(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static void report(double seconds) {
    qsort(latency_us, count.latencies, sizeof *latency_us, by_value);
    uint32_t median = count.latencies ? latency_us[count.latencies / 2] : 0;
    uint32_t p99 = count.latencies ? latency_us[count.latencies * 99 / 100] : 0;
    printf("{\"users\":%d,\"in_flight\":%d,\"seconds\":%.2f,\"ok\":%llu,\"failed\":%llu,\"last_failure\":%d,"
           "\"retries\":%llu,\"challenges\":%llu,\"per_s\":%.0f,\"p50_us\":%u,\"p99_us\":%u,\"generator_cpu_"
           "s\":%.2f}\n",
           opt.users, opt.in_flight, seconds, (unsigned long long)count.ok, (unsigned long long)count.failed,
           count.last_failure, (unsigned long long)count.retries, (unsigned long long)count.challenges,
           (double)count.ok / seconds, median, p99, cpu_seconds());
}

int main(int argc, char **argv) {
    if (!parse_options(argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    md5_prepare();
    pin_to(opt.cpu);
    fd = udp_socket(opt.local_ip, opt.local_port, 0);
    server = address(opt.server_ip, opt.server_port);
    slots = calloc((size_t)opt.in_flight, sizeof *slots);
    cseq = calloc((size_t)opt.users, sizeof *cseq);
    // Above the CSeq of any earlier run: a user sends at most one request each 100 microseconds.
    for (int i = 0; i < opt.users; i++)
        cseq[i] = (uint32_t)(now_us() / 100 % 2000000000ull);
    next_branch = (uint32_t)now_us();
    uint64_t start_us = now_us();
    run(start_us);
    report((double)(now_us() - start_us) / 1e6);
    return 0;
}
