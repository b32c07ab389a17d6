"""exp and log in float32 for compiled loops: vectorisable, and exp with the very bits of torch's CPU softmax.

torch's vectorised softmax takes its exponential from SLEEF (expf, 1.0 ulp, fused multiply-add). The same polynomial,
evaluated with the same fused operations, has the same bits; tests/cache/test_cache_kernels.py compares them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

_FLOAT = ir.FloatType()


@intrinsic
def fused_multiply_add(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """Return ``a`` times ``b`` plus ``c``, rounded once."""
    signature = types.float32(types.float32, types.float32, types.float32)
    return signature, lambda context, builder, _, arguments: builder.fma(*arguments)


@intrinsic
def nearest(typing_context: Any, a: Any) -> Any:
    """Return the nearest integer, halves to even, as float32."""

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        return builder.call(builder.module.declare_intrinsic("llvm.rint", [_FLOAT]), arguments)

    return types.float32(types.float32), generate


@intrinsic
def float_of_bits(typing_context: Any, a: Any) -> Any:
    """Return the float32 of these 32 bits."""
    signature = types.float32(types.int32)
    return signature, lambda context, builder, _, arguments: builder.bitcast(arguments[0], _FLOAT)


@intrinsic
def bits_of_float(typing_context: Any, a: Any) -> Any:
    """Return the 32 bits of a float32."""
    signature = types.int32(types.float32)
    return signature, lambda context, builder, _, arguments: builder.bitcast(arguments[0], ir.IntType(32))


_F = np.float32
_LOG2_E = _F(1.442695040888963407359924681001892137426645954152985934135449406931)
_LN2_UPPER, _LN2_LOWER = _F(0.693145751953125), _F(1.428606765330187045e-06)
_E5, _E4, _E3 = _F(0.000198527617612853646278381), _F(0.00139304355252534151077271), _F(0.00833336077630519866943359)
_E2, _E1, _E0 = _F(0.0416664853692054748535156), _F(0.166666671633720397949219), _F(0.5)
_ONE, _ZERO = _F(1), _F(0)
_SMALLEST = _F(-104)  # below, exp underflows
_BIAS, _MANTISSA = np.int32(127), np.int32(23)


@njit(inline="always")
def exponential(x: Any) -> Any:
    """Return exp(x) for x ≤ 0, float32."""
    quotient = nearest(x * _LOG2_E)
    rest = fused_multiply_add(quotient, -_LN2_UPPER, x)
    rest = fused_multiply_add(quotient, -_LN2_LOWER, rest)
    value = fused_multiply_add(_E5, rest, _E4)
    value = fused_multiply_add(value, rest, _E3)
    value = fused_multiply_add(value, rest, _E2)
    value = fused_multiply_add(value, rest, _E1)
    value = fused_multiply_add(value, rest, _E0)
    value = _ONE + fused_multiply_add(rest * rest, value, rest)
    power = np.int32(quotient)
    half = power >> np.int32(1)  # two factors: the result may be denormal, 2^power itself not representable
    value = value * float_of_bits((half + _BIAS) << _MANTISSA) * float_of_bits((power - half + _BIAS) << _MANTISSA)
    return value if x >= _SMALLEST else _ZERO


_SQRT_HALF_BITS = np.int32(0x3F3504F3)
_L1, _L2, _L3, _L4 = _F(0.66666662693), _F(0.40000972152), _F(0.28498786688), _F(0.24279078841)
_LN2_HIGH, _LN2_LOW = _F(6.9313812256e-01), _F(9.0580006145e-06)


@njit(inline="always")
def logarithm(x: Any) -> Any:
    """Return ln(x) for normal x > 0, float32, within 1 ulp (the polynomial of FreeBSD's logf); finite garbage at 0."""
    bits = bits_of_float(x)
    power = (bits - _SQRT_HALF_BITS) >> _MANTISSA
    f = float_of_bits(bits - (power << _MANTISSA)) - _ONE
    s = f / (_F(2) + f)
    z = s * s
    w = z * z
    series = w * (_L2 + w * _L4) + z * (_L1 + w * _L3)
    half_square = _E0 * f * f
    exponent = np.float32(power)
    return s * (half_square + series) + exponent * _LN2_LOW - half_square + f + exponent * _LN2_HIGH
