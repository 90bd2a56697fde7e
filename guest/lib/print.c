/* A small printf. */
#include "guest.h"

struct sink {
    char *out; /* NULL: the console */
    size_t size, length;
};

static void sink_put(struct sink *sink, char c)
{
    if (!sink->out) {
        if (c == '\n')
            console->put('\r');
        console->put((u8)c);
    } else if (sink->length + 1 < sink->size) {
        sink->out[sink->length++] = c;
    }
}

static void put_number(struct sink *sink, u64 value, bool negative, u32 base, int width, char pad)
{
    char digits[24];
    int n = 0;

    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    if (negative && pad == '0')
        sink_put(sink, '-');
    for (int i = n + negative; i < width; i++)
        sink_put(sink, pad);
    if (negative && pad != '0')
        sink_put(sink, '-');
    while (n)
        sink_put(sink, digits[--n]);
}

static void put_text(struct sink *sink, const char *text, int width)
{
    int n = 0;

    for (; text[n]; n++)
        sink_put(sink, text[n]);
    for (; n < width; n++)
        sink_put(sink, ' ');
}

static void put_formatted(struct sink *sink, const char *f, va_list *args)
{
    for (; *f; f++) {
        if (*f != '%') {
            sink_put(sink, *f);
            continue;
        }
        char pad = ' ';
        int width = 0;
        bool wide = false;

        if (*++f == '0')
            pad = *f++;
        for (; *f >= '0' && *f <= '9'; f++)
            width = 10 * width + *f - '0';
        for (; *f == 'l'; f++)
            wide = true;
        switch (*f) {
        case 'd': {
            long value = wide ? va_arg(*args, long) : va_arg(*args, int);
            put_number(sink, value < 0 ? -(u64)value : (u64)value, value < 0, 10, width, pad);
            break;
        }
        case 'u':
        case 'x': {
            u64 value = wide ? va_arg(*args, u64) : va_arg(*args, u32);
            put_number(sink, value, false, *f == 'x' ? 16 : 10, width, pad);
            break;
        }
        case 's':
            put_text(sink, va_arg(*args, const char *), width);
            break;
        case 'c':
            sink_put(sink, (char)va_arg(*args, int));
            break;
        case '%':
            sink_put(sink, '%');
            break;
        default:
            return;
        }
    }
}

void print(const char *format, ...)
{
    struct sink sink = {0};
    va_list args;

    va_start(args, format);
    put_formatted(&sink, format, &args);
    va_end(args);
}

size_t format_text(char *out, size_t size, const char *format, ...)
{
    struct sink sink = {.out = out, .size = size};
    va_list args;

    va_start(args, format);
    put_formatted(&sink, format, &args);
    va_end(args);
    out[sink.length] = 0;
    return sink.length;
}
