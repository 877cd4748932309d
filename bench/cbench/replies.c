/* What a switch answers, so that real controllers go on; what it does not know it answers with an error. */

#include "cbench.h"

#include <stdio.h>

static void answer_error(struct sw *sw, uint32_t xid, uint16_t type, uint16_t code, const uint8_t *request, size_t size)
{
    size_t quoted = size < 64 ? size : 64;
    uint8_t *at = reply(sw, ERROR, xid, 12 + quoted);
    put16(at + 8, type);
    put16(at + 10, code);
    memcpy(at + 12, request, quoted);
}

static void put_port(uint8_t *at, const struct sw *sw, unsigned port)
{
    unsigned mac = 8, name = 16;
    if (options.version == V10) {
        put16(at, (uint16_t)port);
        mac = 2, name = 8;
        put32(at + 32, 1 << 6); /* 10 Gb/s, full duplex */
    } else {
        put32(at, port);
        put32(at + 40, 1 << 6);
        put32(at + 56, 10000000);
        put32(at + 60, 10000000);
    }
    put_mac(at + mac, sw->index, 0xff0000 | port);
    snprintf((char *)at + name, 16, "port%u", port);
}

static void answer_features(struct sw *sw, uint32_t xid)
{
    uint8_t *at = reply(sw, FEATURES_REPLY, xid, 32 + (options.version == V10 ? PORTS * 48 : 0));
    put64(at + 8, sw->index + 1);
    put32(at + 16, 1 << 20); /* buffers */
    at[20] = 1;              /* tables */
    put32(at + 24, 1);       /* flow statistics */
    if (options.version == V10) {
        put32(at + 28, 1); /* output is the only action */
        for (unsigned port = 1; port <= PORTS; port++)
            put_port(at + 32 + 48 * (port - 1), sw, port);
    }
    if (sw->phase == HANDSHAKE) {
        sw->phase = LEARNING;
        if (++featured == options.switches)
            all_featured = clock_now;
    }
}

static void answer_statistics(struct sw *sw, uint32_t xid, const uint8_t *request, size_t size)
{
    bool old = options.version == V10;
    unsigned head = old ? 12 : 16, type = size < head ? 0xffff : get16(request + 8), body;
    switch (type) {
    case 0: body = 1056; break;                    /* description */
    case 2: body = 24; break;                      /* aggregate: nothing */
    case 3: body = old ? 64 : 24; break;           /* tables */
    case 4: body = PORTS * (old ? 104 : 112); break;
    case 1: case 5: body = 0; break;               /* flows, queues: none */
    case 6: case 7: case 9: case 10:               /* groups, meters: none */
        body = old ? 0xffff : 0; break;
    case 8: body = old ? 0xffff : 40; break;       /* features of groups */
    case 11: body = old ? 0xffff : 16; break;      /* features of meters */
    case 13: body = old ? 0xffff : PORTS * 64; break;
    default: body = 0xffff;
    }
    if (body == 0xffff) {
        answer_error(sw, xid, 1, type == 0xffff ? 3 : 2, request, size);
        return;
    }
    uint8_t *at = reply(sw, old ? 17 : 19, xid, head + body);
    put16(at + 8, (uint16_t)type);
    at += head;
    if (type == 0) {
        snprintf((char *)at, 256, "Segue");
        snprintf((char *)at + 256, 256, "simulated switch");
        snprintf((char *)at + 512, 256, "1");
        snprintf((char *)at + 768, 32, "%u", sw->index);
        snprintf((char *)at + 800, 256, "switch %u", sw->index);
    } else if (type == 3 && old) {
        snprintf((char *)at + 4, 32, "table");
        put32(at + 40, 1 << 20);
    }
    if (type == 13)
        sw->arp_at = clock_now; /* with its ports a controller of 1.3 knows all that it needs */
    for (unsigned port = 1; port <= PORTS; port++) {
        if (type == 4) {
            uint8_t *one = at + (port - 1) * (old ? 104 : 112);
            if (old)
                put16(one, (uint16_t)port);
            else
                put32(one, port);
        } else if (type == 13)
            put_port(at + 64 * (port - 1), sw, port);
    }
}

static void answer_vendor(struct sw *sw, uint32_t xid, const uint8_t *request, size_t size)
{
    /* The roles of Nicira, which controllers use before 1.2; subtype 10 asks, 11 answers. */
    if (options.version == V10 && size >= 20 && get32(request + 8) == 0x2320 && get32(request + 12) == 10) {
        uint8_t *at = reply(sw, VENDOR, xid, 20);
        put32(at + 8, 0x2320);
        put32(at + 12, 11);
        memcpy(at + 16, request + 16, 4);
        return;
    }
    answer_error(sw, xid, 1, 3, request, size);
}

static bool hello_agrees(const uint8_t *at, size_t size)
{
    for (size_t offset = 8; offset + 4 <= size;) {
        uint16_t type = get16(at + offset), length = get16(at + offset + 2);
        if (length < 4 || offset + length > size)
            return false;
        if (type == 1)
            return length >= 8 && get32(at + offset + 4) >> options.version & 1;
        offset += (length + 7u) / 8 * 8;
    }
    return at[0] >= options.version;
}

void handle(struct sw *sw, const uint8_t *at, size_t size)
{
    bool old = options.version == V10;
    uint8_t type = at[1];
    uint32_t xid = get32(at + 4);
    if (type == HELLO) {
        if (!hello_agrees(at, size)) {
            blame(sw, "the controller does not offer version %u", options.version);
            answer_error(sw, xid, 0, 0, at, size);
        }
        return;
    }
    if (at[0] != options.version) {
        if (type == ERROR)
            blame(sw, "an error of version %u", at[0]);
        else {
            blame(sw, "a message of version %u", at[0]);
            answer_error(sw, xid, 1, 0, at, size);
        }
        return;
    }
    uint8_t *made;
    switch (type) {
    case FLOW_MOD:
        judge_flow_mod(sw, at, size);
        return;
    case PACKET_OUT:
        judge_packet_out(sw, at, size);
        return;
    case ERROR:
        blame(sw, "the controller sent an error, type %u code %u", size < 12 ? 0 : get16(at + 8),
              size < 12 ? 0 : get16(at + 10));
        return;
    case ECHO_REQUEST:
        made = reply(sw, ECHO_REPLY, xid, size);
        memcpy(made + 8, at + 8, size - 8);
        now_counted.echoes++;
        break;
    case ECHO_REPLY:
    case SET_CONFIG:
        return;
    case VENDOR:
        answer_vendor(sw, xid, at, size);
        break;
    case FEATURES_REQUEST:
        answer_features(sw, xid);
        break;
    case GET_CONFIG_REQUEST:
        made = reply(sw, GET_CONFIG_REPLY, xid, 12);
        put16(made + 10, 128);
        break;
    default:
        if (type == (old ? 16 : 18))
            answer_statistics(sw, xid, at, size);
        else if (type == (old ? 18 : 20)) /* barrier */
            reply(sw, type + 1, xid, 8);
        else if (type == (old ? 20 : 22)) { /* queues of a port: none */
            made = reply(sw, type + 1, xid, 16);
            memcpy(made + 8, at + 8, size < 12 ? 0 : old ? 2 : 4);
        } else if (!old && type == 24 && size >= 24) { /* role; "no change" asks which: equal */
            made = reply(sw, 25, xid, 24);
            memcpy(made + 8, at + 8, 16);
            if (get32(made + 8) == 0)
                put32(made + 8, 1);
        } else if (!old && type == 26) /* asynchronous messages: all */
            memset(reply(sw, 27, xid, 32) + 8, 0xff, 24);
        else if (type == 15 || (!old && (type == 16 || type == 17 || type == 28 || type == 29)))
            return; /* changes of ports, groups, tables and meters need no answer */
        else
            answer_error(sw, xid, 1, 1, at, size);
    }
}
