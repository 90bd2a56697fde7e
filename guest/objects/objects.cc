// Uses floating point. objects: C++ without its library: global objects made through .init_array, virtual functions,
// templates, placement in a heap of its own, lambdas.
#include "guest.h"

extern "C" {
extern void (*const init_array_start[])();
extern void (*const init_array_end[])();

void *__dso_handle;
// Nothing ever ends here, so destructors of global objects are not kept.
int __cxa_atexit(void (*)(void *), void *, void *) { return 0; }
void __cxa_pure_virtual()
{
    print("objects: pure virtual function called\n");
    power_off();
}
}

namespace {

alignas(16) u8 heap[64 << 10];
size_t heap_used;

} // namespace

void *operator new(size_t bytes)
{
    void *at = heap + heap_used;
    heap_used += (bytes + 15) & ~size_t{15};
    return at;
}
void *operator new[](size_t bytes) { return operator new(bytes); }
void operator delete(void *) noexcept {}
void operator delete(void *, size_t) noexcept {}

namespace {

class Shape {
  public:
    Shape() : number(++made) {}
    virtual ~Shape() {}
    virtual const char *name() const = 0;
    virtual double area() const = 0;
    const int number;

  private:
    static int made;
};
int Shape::made = 0;

class Square : public Shape {
  public:
    explicit Square(double side) : side(side) {}
    const char *name() const override { return "square"; }
    double area() const override { return side * side; }

  private:
    double side;
};

class Disc final : public Shape {
  public:
    explicit Disc(double radius) : radius(radius) {}
    const char *name() const override { return "disc"; }
    double area() const override { return 3.14159265358979 * radius * radius; }

  private:
    double radius;
};

template <typename T, u32 N> class Ring {
  public:
    bool put(const T &value)
    {
        if ((head + 1) % N == tail)
            return false;
        items[head] = value;
        head = (head + 1) % N;
        return true;
    }
    template <typename F> void drain(F each)
    {
        for (; tail != head; tail = (tail + 1) % N)
            each(items[tail]);
    }

  private:
    T items[N];
    u32 head = 0, tail = 0;
};

// Made before guest_main, in this order; the last one looks at the others.
Square unit(1.5);
Disc disc(2.0);
double total = unit.area() + disc.area();

// Made first, wherever it stands.
struct First {
    int square_was;
    First() : square_was(unit.number) {}
};
__attribute__((init_priority(101))) First first;

} // namespace

extern "C" void guest_main()
{
    for (auto constructor = init_array_start; constructor != init_array_end; ++constructor)
        (*constructor)();

    print("objects: first saw %d, total %u thousandths\n", first.square_was, (u32)(total * 1000));
    Ring<const Shape *, 4> ring;
    int kept = 0;
    const Shape *const shapes[] = {&unit, &disc, new Square(3), new Disc(1)};
    for (const Shape *shape : shapes)
        kept += ring.put(shape);
    print("objects: %d of 4 kept\n", kept);
    u32 sum = 0;
    ring.drain([&sum](const Shape *shape) {
        u32 area = (u32)(shape->area() * 1000);
        print("%d: %s %u\n", shape->number, shape->name(), area);
        sum += area;
    });
    print("objects: sum %u, done\n", sum);
}
