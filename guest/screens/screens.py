#!/usr/bin/env python3
"""What the screen shows in each situation of the guest `screens`, from its definition: one pixel at a time, without the emulator.

    screens.py             write the pictures to devices/bcm2837/tests/screens/NAME.png
    screens.py --check     compare the pictures there with what would be written; exit 1 if one differs
    screens.py --qemu      run all situations on qemu-system-aarch64 and say where its screen differs from the pictures;
                           exit 1 if one differs that is not listed in QEMU_DIFFERS, or the other way round

Needs Python 3 alone. The test that compares the emulator with the pictures is devices/bcm2837/tests/screens.rs.
"""
import os
import struct
import subprocess
import sys
import tempfile
import time
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "../../devices/bcm2837/tests/screens")
IMAGE = os.path.join(HERE, "../images/screens.img")
SIZE = (160, 120)
BLACK = (0, 0, 0)


# ---- the guest's pattern ----------------------------------------------------------------------------------------------


def pattern(x, y, width, height):
    """The colour that the guest wants at a pixel of its buffer."""
    across = x * 255 // (width - 1) if width > 1 else 0
    down = y * 255 // (height - 1) if height > 1 else 0
    if x in (0, width - 1) or y in (0, height - 1):
        return (255, 255, 255)
    if (x < 8 or x >= width - 8) and (y < 8 or y >= height - 8):
        return {(True, True): (255, 0, 0), (False, True): (0, 255, 0), (True, False): (0, 0, 255), (False, False): (255, 255, 0)}[
            (x < 8, y < 8)
        ]
    row = y * 12 // height
    if row < 4:
        bars = [(1, 1, 1), (1, 1, 0), (0, 1, 1), (0, 1, 0), (1, 0, 1), (1, 0, 0), (0, 0, 1), (0, 0, 0)]
        return tuple(255 * part for part in bars[x * 8 // width])
    if row < 8:
        return [(across, 0, 0), (0, across, 0), (0, 0, across), (across, across, across)][row - 4]
    if row < 10:
        return (255, 255, 255) if (x + y) % 2 else BLACK
    return (across, down, 128)


# ---- what is left of a colour at each depth ---------------------------------------------------------------------------


def widened(component, bits):
    """The upper `bits` of a component, again at eight: its top bits are repeated below, so that full stays full."""
    kept = component >> (8 - bits)
    return kept << (8 - bits) | kept >> (2 * bits - 8)


def at_depth(colour, depth):
    red, green, blue = colour
    if depth == 15:
        return (widened(red, 5), widened(green, 5), widened(blue, 5))
    if depth == 16:
        return (widened(red, 5), widened(green, 6), widened(blue, 5))
    return colour


def index_of(colour):
    red, green, blue = colour
    return red & 0xE0 | (green >> 5) << 2 | blue >> 6


def cube(index):
    """The guest's own palette: three bits of red, three of green, two of blue."""
    return ((index >> 5 & 7) * 255 // 7, (index >> 2 & 7) * 255 // 7, (index & 3) * 255 // 3)


def turned(turn):
    return [cube((index + turn) & 255) for index in range(256)]


def with_part():
    """Entries from 128 on go down from white, and the last one is white: all other requests are invalid."""
    palette = turned(0)
    for step in range(32):
        word = (0xFFFFFFFF - step * 0x00080004) & 0xFFFFFFFF
        palette[128 + step] = (word & 255, word >> 8 & 255, word >> 16 & 255)
    palette[255] = (255, 255, 255)
    return palette


# ---- the screen -------------------------------------------------------------------------------------------------------


class Shown:
    """A buffer painted with the pattern, and the part of it that the screen shows."""

    def __init__(self, size=SIZE, buffer=None, offset=(0, 0), depth=32, palette=None, swapped=False, opacity=None, borders=None):
        self.size, self.buffer, self.offset = size, buffer or size, offset
        self.depth, self.palette, self.swapped = depth, palette, swapped
        # From the alpha that the guest painted (0 at the top to 255 at the bottom) to the share of the colour, of 255.
        self.opacity = opacity
        # Top, bottom, left, right.
        self.borders = borders or (0, 0, 0, 0)

    def buffer_pixel(self, x, y):
        colour = pattern(x, y, *self.buffer)
        if self.palette:
            return self.palette[index_of(colour)]
        red, green, blue = at_depth(colour, self.depth)
        if self.swapped:
            red, blue = blue, red
        if self.opacity:
            share = self.opacity(y * 255 // (self.buffer[1] - 1))
            # To the nearest, halves upwards.
            return tuple((2 * part * share + 255) // 510 for part in (red, green, blue))
        return (red, green, blue)

    def pixel(self, x, y):
        top, bottom, left, right = self.borders
        width, height = self.size[0] - left - right, self.size[1] - top - bottom
        x, y = x - left, y - top
        if not (0 <= x < width and 0 <= y < height):
            return BLACK
        # The pixel of the picture in which the centre of the squeezed one lies.
        x = (2 * x + 1) * self.size[0] // (2 * width)
        y = (2 * y + 1) * self.size[1] // (2 * height)
        return self.buffer_pixel(x + self.offset[0], y + self.offset[1])


class Dark:
    """A screen that shows nothing."""

    def __init__(self, size):
        self.size = size

    def pixel(self, x, y):
        return BLACK


class Splash:
    """Two by two pixels scaled up: each stands at the centre of its quarter, and between the centres is a straight line."""

    size = (1024, 768)
    corners = [[(224, 32, 48), (248, 216, 40)], [(72, 48, 200), (32, 200, 176)]]

    def pixel(self, x, y):
        one = 1 << 16

        def weight(at, whole):
            return min(max((2 * (2 * at + 1) - whole) * one // (2 * whole), 0), one)

        across, down = weight(x, self.size[0]), weight(y, self.size[1])
        upper, lower = ([a * (one - across) + b * across for a, b in zip(*row)] for row in self.corners)
        return tuple((a * (one - down) + b * down + one * one // 2) // (one * one) for a, b in zip(upper, lower))


NO_SIGNAL = Dark((640, 480))
ODD = (157, 113)
PAGES = (160, 240)
SCREENS = {
    "index8": Shown(palette=turned(0)),
    "rgb15": Shown(depth=15),
    "bgr15": Shown(depth=15),
    "rgb16": Shown(depth=16),
    "bgr16": Shown(depth=16),
    "rgb24": Shown(),
    "bgr24": Shown(),
    "rgb32": Shown(),
    "bgr32": Shown(),
    "odd8": Shown(ODD, palette=turned(0)),
    "odd16": Shown(ODD, depth=16),
    "odd24": Shown(ODD),
    "odd32": Shown(ODD),
    "one-pixel": Shown((1, 1)),
    "palette-none": Shown(palette=[BLACK] * 256),
    "palette-part": Shown(palette=with_part()),
    "palette-cycle": Shown(palette=turned(64)),
    "palette-order": Shown(palette=turned(0)),
    "alpha-enabled": Shown(opacity=lambda alpha: 255 - alpha),
    "alpha-reversed": Shown(opacity=lambda alpha: alpha),
    "alpha-ignored": Shown(),
    "blank": Dark(SIZE),
    "unblank": Shown(),
    "overscan": Shown(borders=(10, 20, 8, 16)),
    "overscan-all": Shown(),
    "pan": Shown(buffer=(320, 240), offset=(37, 53)),
    "flip": Shown(buffer=PAGES, offset=(0, 120)),
    "virtual-small": Shown(),
    "offset-out": Shown(buffer=(200, 150), offset=(40, 30)),
    "depth-alone": Shown(depth=16),
    "order-alone": Shown(swapped=True),
    "size-alone": Shown((80, 60)),
    "release": NO_SIGNAL,
    "release-again": Shown((120, 90), depth=16),
    "allocate-again": Shown(),
    "refused": Shown(),
    "tests": Shown(),
    "pitch": Shown(depth=16),
    "legacy": Shown(buffer=PAGES, offset=(0, 120), depth=16),
    "boot": NO_SIGNAL,
    # The same guest on a board with the splash screen, and with a device tree.
    "boot-splash": Splash(),
    "boot-tree": Shown((1024, 768), depth=16),
}

# Where QEMU 7.2 shows something else, and why the Pi does not.
WIDENED = "it leaves the low bits of 16-bit colours zero, so that white is not white; the Pi's scaler repeats the top ones"
PITCH = "its lines have no gaps and its surface has; the Pi's begin at multiples of 16 pixels and 32 bytes"
OFFSET = "it adds the offset as bytes, and only where the buffer is larger both ways; the Pi scrolls by pixels, each way on its own"
ALPHA = "it has no alpha"
QEMU_DIFFERS = {
    "rgb15": "it does not know the depth",
    "bgr15": "it does not know the depth",
    "rgb16": WIDENED,
    "bgr16": WIDENED,
    "odd8": PITCH,
    "odd16": PITCH,
    "odd24": PITCH,
    "odd32": PITCH,
    "palette-part": "it takes any request",
    "palette-order": "it swaps the palette with the order; Linux's driver has red in the low byte of entries with either",
    "alpha-enabled": ALPHA,
    "alpha-reversed": ALPHA,
    "blank": "it is never blank",
    "overscan": "it has no borders",
    "pan": OFFSET,
    "flip": OFFSET,
    "virtual-small": "its buffer may be smaller than the screen; the Pi makes it as large",
    "offset-out": OFFSET,
    "depth-alone": WIDENED,
    "release": "it goes on showing what was released",
    "release-again": WIDENED,
    "refused": "it takes any size and depth",
    "pitch": WIDENED,
    "legacy": OFFSET,
}


# ---- PNG and PPM ------------------------------------------------------------------------------------------------------


def rows_of(screen):
    width, height = screen.size
    return [b"".join(bytes(screen.pixel(x, y)) for x in range(width)) for y in range(height)]


def png_of(width, height, rows):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    # Each line as the difference to the pixel on the left, to the line above, or as it is: whichever has the smallest sum.
    lines, above = [], bytes(3 * width)
    for row in rows:
        left = bytes(3) + row[:-3]
        options = [
            b"\0" + row,
            b"\1" + bytes((a - b) & 255 for a, b in zip(row, left)),
            b"\2" + bytes((a - b) & 255 for a, b in zip(row, above)),
        ]
        lines.append(min(options, key=lambda line: sum(min(byte, 256 - byte) for byte in line[1:])))
        above = row
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"".join(lines), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def read_ppm(path):
    with open(path, "rb") as file:
        magic, size, _, pixels = file.read().split(b"\n", 3)
    assert magic == b"P6"
    width, height = map(int, size.split())
    return width, height, [pixels[3 * width * y : 3 * width * (y + 1)] for y in range(height)]


def write(check):
    differs = []
    os.makedirs(GOLDEN, exist_ok=True)
    for name, screen in SCREENS.items():
        path = os.path.join(GOLDEN, name + ".png")
        png = png_of(*screen.size, rows_of(screen))
        if check:
            with open(path, "rb") as file:
                if file.read() != png:
                    differs.append(name)
        else:
            with open(path, "wb") as file:
                file.write(png)
    if differs:
        sys.exit("these are not what their definitions make: " + ", ".join(differs))


# ---- QEMU -------------------------------------------------------------------------------------------------------------


def qemu_screen(name, folder):
    """Runs a situation; its screen and what it printed."""
    serial, picture = os.path.join(folder, name + ".txt"), os.path.join(folder, name + ".ppm")
    command = ["qemu-system-aarch64", "-M", "raspi3b", "-kernel", IMAGE, "-append", "screens.case=" + name, "-display", "none"]
    command += ["-serial", "file:" + serial, "-serial", "null", "-monitor", "stdio"]
    qemu = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
    try:
        text, end = "", time.time() + 60
        while "screens: done" not in text and time.time() < end:
            time.sleep(0.2)
            if os.path.exists(serial):
                with open(serial, encoding="ascii", errors="replace") as file:
                    text = file.read()
        # One refresh of its display later.
        time.sleep(0.3)
        qemu.communicate(f"screendump {picture}\nquit\n", timeout=20)
    finally:
        qemu.kill()
        qemu.wait()
    return read_ppm(picture), text.replace("\r", "")


def difference(screen, shown):
    width, height, rows = shown
    if screen.size != (width, height):
        return f"{width}x{height} in place of {screen.size[0]}x{screen.size[1]}"
    wrong = [
        (x, y)
        for y, (row, expected) in enumerate(zip(rows, rows_of(screen)))
        if row != expected
        for x in range(width)
        if row[3 * x : 3 * x + 3] != expected[3 * x : 3 * x + 3]
    ]
    if not wrong:
        return None
    x, y = wrong[0]
    return f"{len(wrong)} pixels, the first at {x},{y}: {tuple(rows[y][3 * x : 3 * x + 3])} in place of {screen.pixel(x, y)}"


def compare_with_qemu():
    surprises = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, screen in SCREENS.items():
            if name in ("boot-splash", "boot-tree"):
                continue
            shown, text = qemu_screen(name, folder)
            wrong, known = difference(screen, shown), QEMU_DIFFERS.get(name)
            with open(os.path.join(GOLDEN, name + ".txt"), encoding="ascii") as file:
                expected = file.read()
            print(f"{name}: {wrong or 'the same'}" + (f" ({known})" if known else ""))
            for line in [line for line in text.splitlines() if line not in expected.splitlines() + ["screens: done"]]:
                print(f"    qemu: {line}")
            surprises += (wrong is None) == (known is not None)
    if surprises:
        sys.exit(f"{surprises} not as listed in QEMU_DIFFERS")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments == ["--qemu"]:
        compare_with_qemu()
    elif arguments in ([], ["--check"]):
        write(check=bool(arguments))
    else:
        sys.exit(__doc__)
