/* Scalar floating point, double precision. */
#include "bench.h"

/* Steps of a Newton-corrected rotation: multiplications, additions, a division now and then, conversions. */
u64 bench_fp(u64 n)
{
    double x = 1.0, y = 0.0, sum = 0.0;
    const double c = 0.99875026039496624657, s = 0.04997916927067832880; /* of 0.05 */

    for (u64 i = 0; i < n; i++) {
        double turned = x * c - y * s;
        y = x * s + y * c;
        x = turned;
        sum += x * y;
        if ((i & 63) == 0) {
            double correction = 2.0 / (1.0 + x * x + y * y);
            x *= correction;
            y *= correction;
            sum += (double)(long)(x * 1e6) * 1e-6;
        }
    }
    return (u64)(long)(sum * 1e9) ^ (u64)(long)(x * 1e15);
}
