/* Answers: which packet-in they belong to, and whether a switch that obeyed them would forward rightly. */

#include "cbench.h"

#include <stdarg.h>
#include <stdio.h>

void blame(const struct sw *sw, const char *format, ...)
{
    if (wrong++)
        return;
    va_list arguments;
    va_start(arguments, format);
    int used = snprintf(first_wrong, sizeof first_wrong, "switch %u: ", sw->index);
    vsnprintf(first_wrong + used, sizeof first_wrong - (size_t)used, format, arguments);
    va_end(arguments);
    for (char *c = first_wrong; *c; c++)
        if (*c == '"' || *c == '\\' || (unsigned char)*c < ' ')
            *c = ' ';
}

static void record(uint64_t nanoseconds)
{
    unsigned high = nanoseconds < SUB ? 0 : 63 - (unsigned)__builtin_clzll(nanoseconds) - SUB_BITS + 1;
    uint64_t low = high ? nanoseconds >> (high - 1) : nanoseconds;
    histogram[high * SUB + (low & (SUB - 1))]++;
    latency_count++;
    if (nanoseconds > latency_max)
        latency_max = nanoseconds;
}

/* The number of the packet-in that an answer names, or false if none was ever sent under that id. */
static bool number_of(const struct sw *sw, uint32_t id, int64_t *number)
{
    /* Ids wrap; the numbers around the next one are the candidates. */
    *number = sw->next + (int32_t)(id - sw->base - (uint32_t)sw->next);
    return *number < sw->next && *number >= -(int64_t)sw->arps;
}

static void count_answer(struct sw *sw, int64_t number)
{
    if (number < 0) { /* answers to ARPs may be several, and come late */
        if (sw->phase == LEARNING) {
            sw->phase = READY;
            if (++ready == options.switches)
                all_ready = clock_now;
        }
        return;
    }
    if (number < sw->next - ring) {
        late++;
        return;
    }
    uint8_t *state = &sw->states[number & (ring - 1)];
    if (*state == ANSWERED) {
        blame(sw, "packet-in %" PRId64 " was answered twice", number);
        return;
    }
    if (*state != OUTSTANDING) {
        late++;
        return;
    }
    *state = ANSWERED;
    sw->outstanding--;
    sw->answered++;
    now_counted.answered++;
    sw->progress = clock_now;
    if (options.mode == LATENCY)
        record(clock_now - sw->sent_at[number & (ring - 1)]);
    int64_t overtaken = number - REORDER - options.window;
    while (sw->oldest < sw->next) {
        uint8_t *first = &sw->states[sw->oldest & (ring - 1)];
        if (*first == OUTSTANDING) {
            if (sw->oldest >= overtaken)
                break;
            *first = LOST;
            sw->outstanding--;
            lost++;
        }
        sw->oldest++;
    }
}

enum { TO_NONE, TO_PORT, TO_FLOOD, TO_CONTROLLER, TO_OTHER };

static int classify(uint32_t port)
{
    if (options.version == V10)
        port = port >= 0xff00 ? port | 0xffff0000u : port;
    if (port >= 1 && port <= PORTS)
        return TO_PORT;
    if (port == 0xfffffffbu || port == 0xfffffffcu)
        return TO_FLOOD;
    return port == 0xfffffffdu ? TO_CONTROLLER : TO_OTHER;
}

/* Where a list of actions sends a packet: to one port, or several ways (TO_OTHER). False: the list is malformed. */
static bool outputs(const uint8_t *at, size_t size, int *kind, uint32_t *port)
{
    while (size) {
        if (size < 8)
            return false;
        uint16_t type = get16(at), length = get16(at + 2);
        if (length < 8 || length % 8 || length > size)
            return false;
        bool output = type == 0 || (options.version == V10 && type == 11);
        if (output) {
            if (options.version == V13 && length != 16)
                return false;
            *port = options.version == V10 ? get16(at + 4) : get32(at + 4);
            *kind = *kind == TO_NONE ? classify(*port) : TO_OTHER;
        }
        at += length;
        size -= length;
    }
    return true;
}

/* What a flow-mod matches on, of what is judged. */
struct match {
    const uint8_t *source, *destination;
    uint32_t in_port; /* 0: any */
};

static bool read_match(const uint8_t *at, size_t size, struct match *match)
{
    *match = (struct match){NULL, NULL, 0};
    if (options.version == V10) {
        uint32_t wildcards = get32(at);
        match->in_port = wildcards & 1 ? 0 : get16(at + 4);
        match->source = wildcards & 4 ? NULL : at + 6;
        match->destination = wildcards & 8 ? NULL : at + 12;
        return true;
    }
    while (size) {
        if (size < 4 || at[3] > size - 4)
            return false;
        uint16_t field = get16(at) == 0x8000 ? at[2] : 0xffff; /* field << 1 | masked */
        if (field == 0 && at[3] == 4)
            match->in_port = get32(at + 4);
        else if (field == 3 << 1 && at[3] == 6)
            match->destination = at + 4;
        else if (field == 4 << 1 && at[3] == 6)
            match->source = at + 4;
        size -= 4u + at[3];
        at += 4u + at[3];
    }
    return true;
}

static bool is_mac(const uint8_t *at, const struct sw *sw, uint32_t host)
{
    uint8_t expected[6];
    put_mac(expected, sw->index, host);
    return !memcmp(at, expected, 6);
}

/* The host that a MAC address belongs to, if it is one of this switch. */
static bool host_of(const uint8_t *at, const struct sw *sw, uint32_t *host)
{
    *host = (uint32_t)at[3] << 16 | (uint32_t)at[4] << 8 | at[5];
    return *host < options.macs && is_mac(at, sw, *host);
}

static bool output_is_right(const struct sw *sw, int64_t number, int kind, uint32_t port)
{
    if (number < 0) {
        if (kind == TO_FLOOD)
            return true;
        blame(sw, "an ARP to all was not flooded");
    } else if (kind == TO_FLOOD)
        blame(sw, "packet-in %" PRId64 " was flooded, but its destination had been learnt", number);
    else if (kind != TO_PORT || port != port_of(destination_of(number)))
        blame(sw, "packet-in %" PRId64 " was sent to port %" PRIu32 " and not to %" PRIu32, number,
              kind == TO_NONE ? 0 : port, port_of(destination_of(number)));
    else
        return true;
    return false;
}

void judge_flow_mod(struct sw *sw, const uint8_t *at, size_t size)
{
    size_t fixed = options.version == V10 ? 72 : 56, match_size = 40;
    if (size < fixed) {
        blame(sw, "a flow-mod of %zu bytes", size);
        return;
    }
    unsigned command = options.version == V10 ? get16(at + 56) : at[25];
    uint32_t buffer = options.version == V10 ? get32(at + 64) : get32(at + 32);
    if (command > 2)
        return; /* deletes: what a controller does first */
    struct match match;
    int kind = TO_NONE;
    uint32_t port = 0;
    bool whole;
    if (options.version == V10) {
        whole = read_match(at + 8, match_size, &match) && outputs(at + 72, size - 72, &kind, &port);
    } else {
        match_size = get16(at + 50);
        size_t padded = (match_size + 7) / 8 * 8;
        whole = get16(at + 48) == 1 && match_size >= 4 && 48 + padded <= size &&
                read_match(at + 52, match_size - 4, &match);
        for (size_t offset = 48 + padded; whole && offset < size;) {
            uint16_t length = size - offset < 8 ? 0 : get16(at + offset + 2);
            whole = length >= 8 && length % 8 == 0 && offset + length <= size;
            if (whole && (get16(at + offset) == 3 || get16(at + offset) == 4))
                whole = outputs(at + offset + 8, length - 8u, &kind, &port);
            offset += length;
        }
    }
    if (!whole) {
        blame(sw, "a malformed flow-mod");
        return;
    }
    uint32_t to, from;
    if (buffer == NO_BUFFER) {
        /* It answers nothing by itself, but has to be true all the same. */
        if (kind == TO_CONTROLLER || !match.destination || !host_of(match.destination, sw, &to))
            return;
        now_counted.flow_mods++;
        if (kind != TO_PORT || port != port_of(to))
            blame(sw, "a flow to host %" PRIu32 " has port %" PRIu32 " and not %" PRIu32, to, port, port_of(to));
        else if (match.in_port && match.source && host_of(match.source, sw, &from) && match.in_port != port_of(from))
            blame(sw, "a flow from host %" PRIu32 " has in_port %" PRIu32, from, match.in_port);
        return;
    }
    now_counted.flow_mods++;
    int64_t number;
    if (!number_of(sw, buffer, &number)) {
        blame(sw, "a flow-mod with buffer %#" PRIx32 ", which no packet-in had", buffer);
        return;
    }
    if (!output_is_right(sw, number, kind, port))
        return;
    if (number >= 0) {
        if (match.destination && !is_mac(match.destination, sw, destination_of(number)))
            blame(sw, "packet-in %" PRId64 ": the flow's eth_dst is another's", number);
        else if (match.source && !is_mac(match.source, sw, source_of(number)))
            blame(sw, "packet-in %" PRId64 ": the flow's eth_src is another's", number);
        else if (match.in_port && match.in_port != port_of(source_of(number)))
            blame(sw, "packet-in %" PRId64 ": the flow's in_port is %" PRIu32, number, match.in_port);
        else
            count_answer(sw, number);
    } else
        count_answer(sw, number);
}

void judge_packet_out(struct sw *sw, const uint8_t *at, size_t size)
{
    size_t fixed = options.version == V10 ? 16 : 24;
    size_t length = size < fixed ? 0 : get16(at + (options.version == V10 ? 14 : 16));
    int kind = TO_NONE;
    uint32_t port = 0;
    if (size < fixed || fixed + length > size || !outputs(at + fixed, length, &kind, &port)) {
        blame(sw, "a malformed packet-out");
        return;
    }
    uint32_t id = get32(at + 8), host;
    int64_t number;
    const uint8_t *frame = at + fixed + length;
    if (id == NO_BUFFER) {
        if (size - fixed - length != FRAME || !host_of(frame + 6, sw, &host))
            return; /* a frame of the controller's own: discovery */
        id = get32(frame + FRAME_ID);
    }
    now_counted.packet_outs++;
    if (!number_of(sw, id, &number))
        blame(sw, "a packet-out with buffer %#" PRIx32 ", which no packet-in had", id);
    else if (output_is_right(sw, number, kind, port))
        count_answer(sw, number);
}
