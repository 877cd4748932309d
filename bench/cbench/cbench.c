/* A generator of packet-ins for OpenFlow controllers, after the idea of Cbench (oflops).
 *
 * It plays N switches of OpenFlow 1.0 or 1.3 towards one controller which runs a learning switch, and counts the
 * packet-ins that were answered. It differs from Cbench where Cbench misleads:
 *
 * - An answer is bound to its packet-in by the buffer id (or, for a packet-out that carries the frame, by the number
 *   in the frame's last four bytes), and each packet-in counts once. Flow-mods and packet-outs are counted apart.
 * - Answers are judged: the output port must be the one on which the destination was learnt, and a match on in_port,
 *   eth_src or eth_dst must be that packet's. A switch that would forward wrongly fails the run.
 * - The frame of packet n goes from host n to host n - 1 (modulo the hosts), so the destination was the source of the
 *   packet before: whoever learns in order knows it, however small his table, and a flood is a wrong answer. The port
 *   of a host is 1 + host % 4, hence two hosts that talk are never on the same port.
 * - Nothing is sent to a switch's controller before it has answered a gratuitous ARP of that switch, which is
 *   repeated until then (Cbench sends it once, and has a delay option for the controllers that lose it).
 * - The number of unanswered packet-ins of one switch is bounded; in latency mode it is one.
 * - After the measured interval it stops sending and waits for what is still under way; the rest is "unanswered".
 *
 * The CPU time of the controller is read here, by the CPU clock of its processes (clock_getcpuclockid), at the moments
 * when the measured interval begins and ends. The result is one line of JSON on the standard output. The program ends
 * with 0 if every answer was right and every switch was served.
 *
 * `send.c` is what the switches send, `judge.c` the judgement of answers, `replies.c` all other replies; here are the
 * loop, the options, the measurement and its result.
 *
 * Layouts: OpenFlow Switch Specification 1.0.0 section 5, and 1.3.5 section 7. One thread; it spins while it measures,
 * so that no wake-up of this process is charged to the controller that writes to it. */

#define _GNU_SOURCE
#include "cbench.h"

#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct options options;
struct sw *switches;
struct counters now_counted;
unsigned ring; /* size of a ring, a power of two */
int poller;
uint64_t clock_now; /* refreshed once per turn of the loop, and before every send in latency mode */
bool sending;
unsigned featured, ready, closed;
uint64_t wrong, lost, late;
char first_wrong[256];
uint64_t started, all_featured, all_ready;

uint64_t histogram[64 * SUB];
uint64_t latency_max, latency_count;

void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "cbench: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(2);
}

uint64_t monotonic(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * SECOND + (uint64_t)at.tv_nsec;
}

void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (!memory)
        die("out of memory");
    return memory;
}

/* ---- the loop ---- */

static uint8_t input[MESSAGE_MAX + READ_SIZE];

static void receive(struct sw *sw)
{
    size_t have = sw->partial_size;
    memcpy(input, sw->partial, have);
    ssize_t got = recv(sw->fd, input + have, READ_SIZE, 0);
    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
            shut(sw);
        return;
    }
    if (options.mode == LATENCY)
        clock_now = monotonic();
    have += (size_t)got;
    const uint8_t *at = input;
    while (have >= 8) {
        size_t size = get16(at + 2);
        if (size < 8) {
            blame(sw, "a message of %zu bytes", size);
            shut(sw);
            return;
        }
        if (size > have)
            break;
        handle(sw, at, size);
        at += size;
        have -= size;
    }
    memcpy(sw->partial, at, have);
    sw->partial_size = have;
    if (sw->phase == LEARNING && clock_now >= sw->arp_at)
        send_arp(sw);
    if (sw->out_at < sw->out_end)
        flush(sw);
    refill(sw);
}

static void begin_connection(struct sw *sw)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(sw->fd, SOL_SOCKET, SO_ERROR, &error, &size) || error)
        die("switch %u: %s:%u: %s", sw->index, options.host, options.port, strerror(error ? error : errno));
    sw->phase = HANDSHAKE;
    uint8_t *at = reply(sw, HELLO, 1, options.version == V13 && options.bitmap ? 16 : 8);
    if (options.version == V13 && options.bitmap) {
        put16(at + 8, 1);
        put16(at + 10, 8);
        put32(at + 12, 1u << V13);
    }
    flush(sw);
}

static void pour(struct sw *sw)
{
    /* The flood: as much as the socket takes, in pieces. */
    for (unsigned piece = 0; piece < 16 && sw->phase == READY && sw->out_at == sw->out_end; piece++) {
        for (unsigned i = 0; i < 64; i++, sw->next++, now_counted.sent++)
            put_packet_in(sw, sw->next);
        flush(sw);
    }
}

static void turn(int wait)
{
    static struct epoll_event events[1024];
    int count = epoll_wait(poller, events, 1024, wait);
    if (count < 0 && errno != EINTR)
        die("epoll_wait: %s", strerror(errno));
    clock_now = monotonic();
    for (int i = 0; i < count; i++) {
        struct sw *sw = events[i].data.ptr;
        if (sw->phase == CLOSED)
            continue;
        if (sw->phase == CONNECTING) {
            begin_connection(sw);
            continue;
        }
        if (events[i].events & EPOLLOUT) {
            flush(sw);
            if (options.mode == FLOOD && sending)
                pour(sw);
            else
                refill(sw);
        }
        if (sw->phase == CLOSED)
            continue;
        if (events[i].events & EPOLLIN)
            receive(sw);
        else if (events[i].events & (EPOLLERR | EPOLLHUP))
            shut(sw);
    }
    static uint64_t next_look;
    if (clock_now < next_look)
        return;
    next_look = clock_now + SECOND / 100;
    for (unsigned i = 0; i < options.switches; i++) {
        struct sw *sw = &switches[i];
        if (sw->phase == LEARNING && clock_now >= sw->arp_at)
            send_arp(sw);
        if (options.mode != FLOOD && sw->outstanding && clock_now - sw->progress > SILENCE) {
            for (; sw->oldest < sw->next; sw->oldest++)
                if (sw->states[sw->oldest & (ring - 1)] == OUTSTANDING) {
                    sw->states[sw->oldest & (ring - 1)] = LOST;
                    lost++;
                }
            sw->outstanding = 0;
            refill(sw);
        }
    }
}

static void open_switch(struct sw *sw, unsigned index)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(options.port)};
    if (inet_pton(AF_INET, options.host, &address.sin_addr) != 1)
        die("%s is not an IPv4 address", options.host);
    sw->index = index;
    sw->base = ((index + 1) * 2654435761u & 0x3fffffff) + ARPS;
    sw->partial = allocate(1, MESSAGE_MAX);
    if (options.mode != FLOOD) {
        sw->states = allocate(ring, 1);
        if (options.mode == LATENCY)
            sw->sent_at = allocate(ring, sizeof *sw->sent_at);
    }
    sw->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (sw->fd < 0)
        die("socket: %s", strerror(errno));
    int on = 1;
    setsockopt(sw->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(sw->fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS)
        die("connect to %s:%u: %s", options.host, options.port, strerror(errno));
    sw->interest = EPOLLOUT;
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = sw};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, sw->fd, &event))
        die("epoll_ctl: %s", strerror(errno));
}

/* ---- the controller's processes ---- */

static double cpu_seconds(void)
{
    double sum = 0;
    for (unsigned i = 0; i < options.pid_count; i++) {
        clockid_t clock;
        struct timespec at;
        if (clock_getcpuclockid(options.pids[i], &clock) || clock_gettime(clock, &at))
            die("process %d has no clock", (int)options.pids[i]);
        sum += (double)at.tv_sec + (double)at.tv_nsec / 1e9;
    }
    return sum;
}

/* In KiB; VmRSS or VmHWM, the peak. */
static uint64_t memory(const char *key)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < options.pid_count; i++) {
        char path[64], line[256];
        snprintf(path, sizeof path, "/proc/%d/status", (int)options.pids[i]);
        FILE *file = fopen(path, "r");
        if (!file)
            die("process %d has ended", (int)options.pids[i]);
        while (fgets(line, sizeof line, file))
            if (!strncmp(line, key, strlen(key)))
                sum += strtoull(line + strlen(key) + 1, NULL, 10);
        fclose(file);
    }
    return sum;
}

/* ---- options, phases, result ---- */

static double quantile(double part)
{
    uint64_t wanted = (uint64_t)(part * (double)latency_count), seen = 0;
    for (unsigned i = 0; i < sizeof histogram / sizeof *histogram; i++)
        if ((seen += histogram[i]) > wanted) {
            unsigned high = i / SUB;
            return (high ? (double)(((uint64_t)(i % SUB) | SUB) << (high - 1)) : (double)i) / 1000;
        }
    return (double)latency_max / 1000;
}

static double number_option(const char *text, double least, double most)
{
    char *end;
    double value = strtod(text, &end);
    if (*end || !*text || !(value >= least && value <= most))
        die("'%s' is not a number from %g to %g", text, least, most);
    return value;
}

static const char usage[] =
    "usage: cbench HOST PORT [--switches N] [--version 1.0|1.3] [--mode throughput|latency|flood] [--macs N]\n"
    "    [--outstanding N] [--seconds S] [--warmup S] [--connect-timeout S] [--drain S] [--cpu N] [--pid PID]...\n"
    "    [--no-bitmap] [--no-buffers]\n";

static void read_options(int count, char **arguments)
{
    static const struct option known[] = {
        {"switches", 1, 0, 's'}, {"version", 1, 0, 'v'}, {"mode", 1, 0, 'm'}, {"macs", 1, 0, 'a'},
        {"outstanding", 1, 0, 'o'}, {"seconds", 1, 0, 't'}, {"warmup", 1, 0, 'w'}, {"connect-timeout", 1, 0, 'c'},
        {"drain", 1, 0, 'd'}, {"cpu", 1, 0, 'u'}, {"pid", 1, 0, 'p'}, {"no-bitmap", 0, 0, 'b'},
        {"no-buffers", 0, 0, 'n'}, {0, 0, 0, 0}};
    static const char *const modes[] = {"throughput", "latency", "flood"};
    options = (struct options){.switches = 1, .macs = 100000, .window = 1000, .version = V10, .seconds = 5,
                               .warmup = 1, .connect_timeout = 60, .drain = 5, .cpu = -1, .bitmap = true,
                               .buffers = true};
    int option;
    while ((option = getopt_long(count, arguments, "", known, NULL)) != -1)
        switch (option) {
        case 's': options.switches = (unsigned)number_option(optarg, 1, 60000); break;
        case 'a': options.macs = (unsigned)number_option(optarg, 8, 1 << 23); break;
        case 'o': options.window = (unsigned)number_option(optarg, 1, 1 << 20); break;
        case 't': options.seconds = number_option(optarg, 0.01, 3600); break;
        case 'w': options.warmup = number_option(optarg, 0, 3600); break;
        case 'c': options.connect_timeout = number_option(optarg, 0.01, 3600); break;
        case 'd': options.drain = number_option(optarg, 0, 3600); break;
        case 'u': options.cpu = (int)number_option(optarg, 0, 1023); break;
        case 'p':
            if (options.pid_count == sizeof options.pids / sizeof *options.pids)
                die("too many processes");
            options.pids[options.pid_count++] = (pid_t)number_option(optarg, 1, 1 << 30);
            break;
        case 'b': options.bitmap = false; break;
        case 'n': options.buffers = false; break;
        case 'v':
            if (strcmp(optarg, "1.0") && strcmp(optarg, "1.3"))
                die("version %s is neither 1.0 nor 1.3", optarg);
            options.version = strcmp(optarg, "1.0") ? V13 : V10;
            break;
        case 'm':
            for (options.mode = THROUGHPUT; strcmp(optarg, modes[options.mode]); options.mode++)
                if (options.mode == FLOOD)
                    die("no mode '%s'", optarg);
            break;
        default: fputs(usage, stderr); exit(2);
        }
    if (count - optind != 2) {
        fputs(usage, stderr);
        exit(2);
    }
    options.host = arguments[optind];
    options.port = (uint16_t)number_option(arguments[optind + 1], 1, 65535);
    if (options.mode == LATENCY)
        options.window = 1;
    options.macs -= options.macs % PORTS; /* or the first host would be on the last one's port */
    for (ring = 1; ring < 4 * (options.window + REORDER); ring *= 2)
        ;
}

static double since(uint64_t then, uint64_t later) { return later ? (double)(later - then) / 1e9 : -1; }

static void until(uint64_t end, bool spin, bool (*finished)(void))
{
    do
        turn(spin ? 0 : 5);
    while (clock_now < end && !(finished && finished()));
}

static bool all_are_ready(void) { return ready == options.switches || closed; }
static bool all_are_featured(void) { return featured == options.switches || closed; }
static bool nothing_outstanding(void)
{
    for (unsigned i = 0; i < options.switches; i++)
        if (switches[i].outstanding && switches[i].phase != CLOSED)
            return false;
    return true;
}

int main(int count, char **arguments)
{
    static const char *const modes[] = {"throughput", "latency", "flood"};
    read_options(count, arguments);
    signal(SIGPIPE, SIG_IGN);
    if (options.cpu >= 0) {
        cpu_set_t cpus;
        CPU_ZERO(&cpus);
        CPU_SET((size_t)options.cpu, &cpus);
        if (sched_setaffinity(0, sizeof cpus, &cpus))
            die("cannot run on CPU %d: %s", options.cpu, strerror(errno));
    }
    struct rlimit files;
    if (!getrlimit(RLIMIT_NOFILE, &files) && files.rlim_cur < options.switches + 64) {
        files.rlim_cur = options.switches + 64 < files.rlim_max ? options.switches + 64 : files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    poller = epoll_create1(0);
    switches = allocate(options.switches, sizeof *switches);
    uint64_t memory_before = memory("VmRSS:");
    started = clock_now = monotonic();
    for (unsigned i = 0; i < options.switches; i++)
        open_switch(&switches[i], i);

    uint64_t limit = started + (uint64_t)(options.connect_timeout * 1e9);
    until(limit, false, all_are_featured);
    until(limit, false, all_are_ready);
    uint64_t memory_connected = memory("VmRSS:");

    sending = true;
    for (unsigned i = 0; i < options.switches; i++) {
        if (options.mode == FLOOD && switches[i].phase == READY)
            flush(&switches[i]); /* from now on it only writes */
        else
            refill(&switches[i]);
    }
    if (options.mode != FLOOD)
        until(monotonic() + (uint64_t)(options.warmup * 1e9), true, NULL);

    uint64_t lost_before = lost;
    now_counted = (struct counters){0};
    latency_count = latency_max = 0;
    memset(histogram, 0, sizeof histogram);
    for (unsigned i = 0; i < options.switches; i++)
        switches[i].answered = 0;
    double cpu_before = cpu_seconds();
    uint64_t begun = monotonic();
    until(begun + (uint64_t)(options.seconds * 1e9), true, NULL);
    double taken = (double)(monotonic() - begun) / 1e9, cpu = cpu_seconds() - cpu_before;

    struct counters measured = now_counted;
    uint64_t fewest = UINT64_MAX, most = 0, lost_measured = lost - lost_before;
    for (unsigned i = 0; i < options.switches; i++) {
        fewest = switches[i].answered < fewest ? switches[i].answered : fewest;
        most = switches[i].answered > most ? switches[i].answered : most;
    }
    uint64_t memory_end = memory("VmRSS:"), memory_peak = memory("VmHWM:");
    double p50 = quantile(0.5), p99 = quantile(0.99), slowest = (double)latency_max / 1000;
    unsigned gone = closed;
    uint64_t unanswered = lost;
    if (options.mode != FLOOD) {
        sending = false;
        until(monotonic() + (uint64_t)(options.drain * 1e9), false, nothing_outstanding);
        unanswered = lost;
        for (unsigned i = 0; i < options.switches; i++)
            unanswered += switches[i].outstanding;
    }
    /* Who is flooded may well hang up. */
    bool fine = !wrong && ready == options.switches && (options.mode == FLOOD || (!gone && measured.answered));

    printf("{\"version\": \"%s\", \"switches\": %u, \"mode\": \"%s\", \"macs\": %u, \"outstanding\": %u, "
           "\"seconds\": %.6f, \"sent\": %" PRIu64 ", \"answered\": %" PRIu64 ", \"per_second\": %.1f, "
           "\"flow_mods\": %" PRIu64 ", \"packet_outs\": %" PRIu64 ", \"echoes\": %" PRIu64 ", \"wrong\": %" PRIu64
           ", \"first_wrong\": \"%s\", \"lost\": %" PRIu64 ", \"late\": %" PRIu64 ", \"unanswered\": %" PRIu64
           ", \"least\": %" PRIu64 ", \"most\": %" PRIu64,
           options.version == V10 ? "1.0" : "1.3", options.switches, modes[options.mode], options.macs,
           options.window, taken, measured.sent, measured.answered, (double)measured.answered / taken,
           measured.flow_mods, measured.packet_outs, measured.echoes, wrong, first_wrong, lost_measured, late,
           unanswered, fewest, most);
    if (options.mode == LATENCY)
        printf(", \"p50_us\": %.2f, \"p99_us\": %.2f, \"max_us\": %.2f", p50, p99, slowest);
    if (options.pid_count)
        printf(", \"cpu_seconds\": %.6f, \"rss_before\": %" PRIu64 ", \"rss_connected\": %" PRIu64
               ", \"rss_end\": %" PRIu64 ", \"rss_peak\": %" PRIu64,
               cpu, memory_before, memory_connected, memory_end, memory_peak);
    printf(", \"handshaken\": %u, \"handshake_seconds\": %.6f, \"ready\": %u, \"ready_seconds\": %.6f, "
           "\"closed\": %u, \"ok\": %s}\n",
           featured, since(started, all_featured), ready, since(started, all_ready), gone, fine ? "true" : "false");
    if (wrong)
        fprintf(stderr, "cbench: %" PRIu64 " wrong answers; the first: %s\n", wrong, first_wrong);
    else if (gone || ready != options.switches)
        fprintf(stderr, "cbench: %u of %u switches were served, %u closed\n", ready, options.switches, gone);
    return fine ? 0 : 1;
}
