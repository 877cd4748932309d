/* What a switch sends of itself: frames, packet-ins, and its output. */

#include "cbench.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

void put_mac(uint8_t *at, unsigned index, uint32_t host)
{
    at[0] = 2; /* locally administered, not a group */
    at[1] = (uint8_t)(index >> 8);
    at[2] = (uint8_t)index;
    at[3] = (uint8_t)(host >> 16);
    at[4] = (uint8_t)(host >> 8);
    at[5] = (uint8_t)host;
}
uint32_t port_of(uint32_t host) { return 1 + host % PORTS; }
uint32_t source_of(int64_t number) { return number < 0 ? options.macs - 1 : (uint32_t)(number % options.macs); }
uint32_t destination_of(int64_t number) { return (uint32_t)((number + options.macs - 1) % options.macs); }

static void put_ip(uint8_t *at, uint32_t host)
{
    at[0] = 10;
    at[1] = (uint8_t)(host >> 16);
    at[2] = (uint8_t)(host >> 8);
    at[3] = (uint8_t)host;
}

static void put_frame(uint8_t *at, const struct sw *sw, int64_t number)
{
    uint32_t source = source_of(number), destination = destination_of(number);
    put_mac(at + 6, sw->index, source);
    if (number < 0) { /* a gratuitous ARP request */
        memset(at, 0xff, 6);
        memcpy(at + 12, "\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01", 10);
        memcpy(at + 22, at + 6, 6);
        put_ip(at + 28, source);
        memset(at + 32, 0, 6);
        put_ip(at + 38, source);
        memset(at + 42, 0, FRAME_ID - 42);
    } else { /* IPv4, UDP; the frame's length without its checksum */
        static const uint8_t fixed[] = {0x08, 0x00, 0x45, 0x00, 0x00, FRAME - 14, 0, 0, 0, 0, 64, 17, 0, 0};
        uint32_t sum = 0;
        put_mac(at, sw->index, destination);
        memcpy(at + 12, fixed, sizeof fixed);
        put_ip(at + 26, source);
        put_ip(at + 30, destination);
        for (unsigned i = 14; i < 34; i += 2)
            sum += get16(at + i);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        put16(at + 24, (uint16_t)~sum);
        put16(at + 34, 4000);
        put16(at + 36, 4001);
        put16(at + 38, FRAME - 34);
        put16(at + 40, 0);
        memset(at + 42, 0, FRAME_ID - 42);
    }
    put32(at + FRAME_ID, sw->base + (uint32_t)number);
}

static void watch(struct sw *sw, uint32_t interest)
{
    if (sw->interest == interest || sw->phase == CLOSED)
        return;
    struct epoll_event event = {.events = interest, .data.ptr = sw};
    if (epoll_ctl(poller, EPOLL_CTL_MOD, sw->fd, &event))
        die("epoll_ctl: %s", strerror(errno));
    sw->interest = interest;
}

void shut(struct sw *sw)
{
    if (sw->phase == CLOSED)
        return;
    close(sw->fd);
    sw->phase = CLOSED;
    closed++;
}

static uint8_t *reserve(struct sw *sw, size_t size)
{
    if (sw->out_at == sw->out_end)
        sw->out_at = sw->out_end = 0;
    if (sw->out_end + size > sw->out_capacity) {
        sw->out_capacity = 2 * (sw->out_end + size);
        if (!(sw->out = realloc(sw->out, sw->out_capacity)))
            die("out of memory");
    }
    uint8_t *at = sw->out + sw->out_end;
    sw->out_end += size;
    return at;
}

uint8_t *reply(struct sw *sw, uint8_t type, uint32_t xid, size_t size)
{
    uint8_t *at = reserve(sw, size);
    memset(at, 0, size);
    at[0] = options.version;
    at[1] = type;
    put16(at + 2, (uint16_t)size);
    put32(at + 4, xid);
    return at;
}

void flush(struct sw *sw)
{
    bool reads = options.mode != FLOOD || !sending;
    while (sw->out_at < sw->out_end) {
        ssize_t done = send(sw->fd, sw->out + sw->out_at, sw->out_end - sw->out_at, MSG_NOSIGNAL);
        if (done < 0) {
            if (errno == EINTR)
                continue;
            if (errno == EAGAIN || errno == EWOULDBLOCK)
                break;
            shut(sw);
            return;
        }
        sw->out_at += (size_t)done;
    }
    watch(sw, (reads ? EPOLLIN : 0) | (sw->out_at < sw->out_end || !reads ? EPOLLOUT : 0));
}

void put_packet_in(struct sw *sw, int64_t number)
{
    size_t head = options.version == V10 ? HEAD10 : HEAD13;
    uint8_t *at = reply(sw, PACKET_IN, 0, head + FRAME);
    uint32_t in_port = port_of(source_of(number));
    put32(at + 8, options.buffers ? sw->base + (uint32_t)number : NO_BUFFER);
    put16(at + 12, FRAME);
    if (options.version == V10)
        put16(at + 14, (uint16_t)in_port); /* then the reason, no match, and padding */
    else {
        /* reason: no match; table 0; cookie; a match of one field */
        memset(at + 16, 0xff, 8);
        put16(at + 24, 1);
        put16(at + 26, 12);
        put32(at + 28, 0x80000004);
        put32(at + 32, in_port);
    }
    put_frame(at + head, sw, number);
}

void send_arp(struct sw *sw)
{
    if (++sw->arps > ARPS)
        die("switch %u: the controller answers no ARP", sw->index);
    put_packet_in(sw, -(int64_t)sw->arps);
    unsigned doubled = sw->arps < 6 ? sw->arps : 6;
    sw->arp_at = clock_now + (SECOND / 20 << doubled);
    flush(sw);
}

/* As many packet-ins as the window has room for; not one by one while the window is large. */
void refill(struct sw *sw)
{
    unsigned room = options.window - sw->outstanding;
    if (!sending || sw->phase != READY || sw->out_at < sw->out_end || room == 0 || room < options.window / 4)
        return;
    if (options.mode == LATENCY)
        clock_now = monotonic();
    if (sw->outstanding == 0)
        sw->progress = clock_now;
    while (sw->outstanding < options.window && sw->next - sw->oldest < ring) {
        put_packet_in(sw, sw->next);
        sw->states[sw->next & (ring - 1)] = OUTSTANDING;
        if (options.mode == LATENCY)
            sw->sent_at[sw->next & (ring - 1)] = clock_now;
        sw->next++;
        sw->outstanding++;
        now_counted.sent++;
    }
    flush(sw);
}
