/* Calls through a pointer that was never set up right, three calls deep: what a crash report has to find out. */

struct driver {
    int (*read)(unsigned block);
};

static struct driver card = {(int (*)(unsigned))0x50000000};

__attribute__((noinline)) int read_block(struct driver *driver, unsigned block)
{
    return driver->read(block) + 1;
}

__attribute__((noinline)) int mount(struct driver *driver)
{
    return read_block(driver, 7) + 1;
}

int main(void)
{
    return mount(&card) + 1;
}
