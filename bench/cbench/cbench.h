/* What the files of the generator share: see cbench.c. */

#ifndef CBENCH_H
#define CBENCH_H

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

enum { V10 = 1, V13 = 4 };
enum { PORTS = 4, FRAME = 60, FRAME_ID = FRAME - 4 };
enum { HEAD10 = 18, HEAD13 = 42 };          /* of a packet-in, up to the frame */
enum { ARPS = 1024, REORDER = 64 };         /* attempts to be learnt; how far answers may overtake one another */
enum { READ_SIZE = 1 << 18, MESSAGE_MAX = 1 << 16 };
#define NO_BUFFER 0xffffffffu
#define SECOND 1000000000ull
#define SILENCE (5 * SECOND) /* after so long without any answer, what a switch still waits for is taken as lost */

enum type { HELLO, ERROR, ECHO_REQUEST, ECHO_REPLY, VENDOR, FEATURES_REQUEST, FEATURES_REPLY, GET_CONFIG_REQUEST,
            GET_CONFIG_REPLY, SET_CONFIG, PACKET_IN, PACKET_OUT = 13, FLOW_MOD = 14 };

enum mode { THROUGHPUT, LATENCY, FLOOD };
enum phase { CONNECTING, HANDSHAKE, LEARNING, READY, CLOSED };
enum state { FREE, OUTSTANDING, ANSWERED, LOST };

struct options {
    const char *host;
    uint16_t port;
    unsigned switches, macs, window;
    uint8_t version;
    enum mode mode;
    double seconds, warmup, connect_timeout, drain;
    int cpu;
    bool bitmap, buffers;
    pid_t pids[64];
    unsigned pid_count;
};

struct sw {
    int fd;
    unsigned index;
    enum phase phase;
    uint32_t interest; /* what epoll was last told */
    uint32_t base;     /* the buffer id of packet-in 0; those of the ARPs are below */
    uint8_t *partial;  /* of a message that has not arrived whole */
    size_t partial_size;
    uint8_t *out;
    size_t out_at, out_end, out_capacity;
    int64_t next, oldest; /* numbers of packet-ins: the next to be sent, the first that may be outstanding */
    unsigned outstanding;
    uint8_t *states; /* a ring, by number */
    uint64_t *sent_at;
    unsigned arps;
    uint64_t arp_at;   /* when to repeat it */
    uint64_t progress; /* the last answer, or the last packet-in that was sent while none was outstanding */
    uint64_t answered; /* in the measured interval */
};

struct counters {
    uint64_t answered, flow_mods, packet_outs, sent, echoes;
};

/* ---- state: cbench.c ---- */

extern struct options options;
extern struct sw *switches;
extern struct counters now_counted;
extern unsigned ring; /* size of a ring, a power of two */
extern int poller;
extern uint64_t clock_now; /* refreshed once per turn of the loop, and before every send in latency mode */
extern bool sending;
extern unsigned featured, ready, closed;
extern uint64_t wrong, lost, late;
extern char first_wrong[256];
extern uint64_t started, all_featured, all_ready;

/* Latencies in nanoseconds: 64 buckets per power of two, an error of at most 1.6 percent. */
enum { SUB = 64, SUB_BITS = 6 };
extern uint64_t histogram[64 * SUB];
extern uint64_t latency_max, latency_count;

void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
uint64_t monotonic(void);
void *allocate(size_t count, size_t size);

/* ---- what is sent: send.c ---- */

void put_mac(uint8_t *at, unsigned index, uint32_t host);
uint32_t port_of(uint32_t host);
uint32_t source_of(int64_t number);
uint32_t destination_of(int64_t number);
/* Room for a reply behind what is still to be sent, zeros but for its header. */
uint8_t *reply(struct sw *sw, uint8_t type, uint32_t xid, size_t size);
void put_packet_in(struct sw *sw, int64_t number);
void send_arp(struct sw *sw);
void refill(struct sw *sw);
void flush(struct sw *sw);
void shut(struct sw *sw);

/* ---- what is received: judge.c, replies.c ---- */

void blame(const struct sw *sw, const char *format, ...) __attribute__((format(printf, 2, 3)));
void judge_flow_mod(struct sw *sw, const uint8_t *at, size_t size);
void judge_packet_out(struct sw *sw, const uint8_t *at, size_t size);
void handle(struct sw *sw, const uint8_t *at, size_t size);

/* ---- numbers on the wire ---- */

static inline void put16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}
static inline void put32(uint8_t *at, uint32_t value)
{
    value = htonl(value);
    memcpy(at, &value, 4);
}
static inline void put64(uint8_t *at, uint64_t value)
{
    put32(at, (uint32_t)(value >> 32));
    put32(at + 4, (uint32_t)value);
}
static inline uint16_t get16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }
static inline uint32_t get32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, 4);
    return ntohl(value);
}

#endif
