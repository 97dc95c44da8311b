"""Circuits out, compared, and QIR in."""

import pytest

from phalanx.core import InvalidInput
from phalanx.quantum import Gates, InvalidCircuit, TooWide, UnreadableCircuit
from phalanx.quantum.circuits import convert, equivalent, read

pytestmark = pytest.mark.requirement("QRM-1")

QIR = """
define void @main() #0 {
  call void @__quantum__qis__h__body(%Qubit* null)
  call void @__quantum__qis__cnot__body(%Qubit* null, %Qubit* inttoptr (i64 1 to %Qubit*))
  call void @__quantum__qis__rz__body(double 5.000000e-01, ptr inttoptr (i64 1 to ptr))
  call void @__quantum__qis__s__adj(ptr null)
  call void @__quantum__qis__mz__body(%Qubit* null, %Result* writeonly null)
  call void @__quantum__qis__mz__body(%Qubit* inttoptr (i64 1 to %Qubit*), %Result* inttoptr (i64 1 to %Result*))
  ret void
}
"""


def test_qir_of_the_base_profile():
    from phalanx.quantum import Op

    assert read(QIR) == Gates(2).h(0).cx(0, 1).rz(0.5, 1).add(Op("sdg", (0,))).measure(0, 1).circuit()
    with pytest.raises(UnreadableCircuit, match="branches") as caught:
        read(QIR.replace("  ret", "  br i1 %0, label %a, label %b\n  ret"))
    assert caught.value.line == 9
    with pytest.raises(UnreadableCircuit, match="'magic' is not read"):
        read(QIR.replace("__h__", "__magic__"))


def test_openqasm_2_keeps_to_the_original_gates():
    from phalanx.quantum import Op

    text = convert(Gates(2).add(Op("sx", (0,))).cp(0.5, 0, 1).p(0.25, 1).measure(1), "openqasm2")
    assert text.splitlines()[2:] == [
        "qreg q[2];", "creg c[1];", "rx(pi/2) q[0];", "cu1(0.5) q[0],q[1];", "u1(0.25) q[1];", "measure q[1] -> c[0];",
    ]  # fmt: skip
    several = read('OPENQASM 3.0; include "stdgates.inc"; qubit[2] q; bit[2] c; if (c == 1) { x q[0]; }')
    with pytest.raises(InvalidCircuit, match="several bits"):
        convert(several, "openqasm2")
    with pytest.raises(InvalidInput, match="not written"):
        convert(several, "basic")


def test_equal_and_unequal_by_each_way():
    small = equivalent(Gates(2).h(1).cx(0, 1).h(1), Gates(2).cz(1, 0))
    assert (small.equal, small.how) == (True, "unitary")
    assert not equivalent(Gates(2).cx(0, 1), Gates(2).cx(1, 0)).equal
    assert not equivalent(Gates(2).measure(0, 1), Gates(2).measure(1, 0)).equal

    wide, other = Gates(40), Gates(40)
    for q in range(39):
        wide.cx(q, q + 1)
        other.h(q + 1).cz(q, q + 1).h(q + 1)
    found = equivalent(wide, other)
    assert (found.equal, found.how) == (True, "tableau")
    assert not equivalent(wide, other.z(3)).equal
    with pytest.raises(TooWide):
        equivalent(wide.rx(0.1, 0), other)

    middle, again = Gates(12), Gates(12)
    for q in range(11):
        middle.cp(0.3, q, q + 1)
        again.cp(0.3, q + 1, q)
    found = equivalent(middle, again)
    assert (found.equal, found.how) == (True, "random inputs")
    assert not equivalent(middle, again.rx(0.01, 5)).equal


def test_decisions_are_compared_by_samples():
    text = 'OPENQASM 3.0; include "stdgates.inc"; qubit[2] q; bit[2] c; h q[0]; c[0] = measure q[0]; '
    decided = read(text + "if (c[0]) { x q[1]; } c[1] = measure q[1];")
    copied = read(text + "cx q[0], q[1]; c[1] = measure q[1];")
    assert equivalent(decided, copied).how == "samples"
    assert equivalent(decided, copied).equal
    assert not equivalent(decided, read(text + "if (!c[0]) { x q[1]; } c[1] = measure q[1];")).equal
