// MD5 (RFC 1321) of a short string as 32 hexadecimal digits: what SIP digest authentication needs.
#ifndef TRUNKLINE_BENCH_MD5_H
#define TRUNKLINE_BENCH_MD5_H
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { MD5_LONGEST_INPUT = 1900 };

static const uint8_t md5_shift[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

static uint32_t md5_sine[64];

// RFC 1321 §3.4: the table is the integer part of 2^32 times abs(sin(i)), i in radians.
static inline void md5_prepare(void) {
    for (int i = 0; i < 64; i++)
        md5_sine[i] = (uint32_t)(fabs(sin(i + 1)) * 4294967296.0);
}

static inline void md5_block(uint32_t state[4], const uint8_t *block) {
    uint32_t word[16], a = state[0], b = state[1], c = state[2], d = state[3];
    memcpy(word, block, 64);
    for (int i = 0; i < 64; i++) {
        uint32_t mixed;
        int index;
        switch (i / 16) {
        case 0: mixed = (b & c) | (~b & d), index = i; break;
        case 1: mixed = (d & b) | (~d & c), index = (5 * i + 1) % 16; break;
        case 2: mixed = b ^ c ^ d, index = (3 * i + 5) % 16; break;
        default: mixed = c ^ (b | ~d), index = (7 * i) % 16; break;
        }
        mixed += a + md5_sine[i] + word[index];
        int shift = md5_shift[i / 16][i % 4];
        a = d, d = c, c = b;
        b += (mixed << shift) | (mixed >> (32 - shift));
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
}

static inline void md5_hex(const char *text, char out[33]) {
    uint8_t message[2048] = {0};
    size_t length = strlen(text), total = ((length + 8) / 64 + 1) * 64;
    if (length > MD5_LONGEST_INPUT)
        length = MD5_LONGEST_INPUT, total = sizeof message - 64;
    uint64_t bits = length * 8;
    memcpy(message, text, length);
    message[length] = 0x80;
    memcpy(message + total - 8, &bits, 8);
    uint32_t state[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
    for (size_t offset = 0; offset < total; offset += 64)
        md5_block(state, message + offset);
    for (int i = 0; i < 16; i++)
        sprintf(out + 2 * i, "%02x", ((uint8_t *)state)[i]);
}

#endif
