"""Q# and QIR bitcode come in as circuits."""

import pytest

from phalanx.adapters.processes import compile_qsharp
from phalanx.core import LimitExceeded
from phalanx.quantum import Gates, UnreadableCircuit
from phalanx.quantum.circuits import equivalent, read

pytestmark = [pytest.mark.vendor, pytest.mark.requirement("QRM-8")]

PROGRAM = """operation Main() : Result[] {
    use q = Qubit[2]; H(q[0]); CNOT(q[0], q[1]); Rz(0.3, q[1]); return [M(q[0]), M(q[1])]; }"""
OURS = Gates(2).h(0).cx(0, 1).rz(0.3, 1).measure(0, 1).circuit()


def test_qsharp_becomes_a_circuit():
    pytest.importorskip("qdk", reason="the extra qsharp is not installed")
    assert equivalent(read(compile_qsharp(PROGRAM), language="qir"), OURS).equal


def test_what_the_compiler_says_is_said():
    pytest.importorskip("qdk", reason="the extra qsharp is not installed")
    with pytest.raises(UnreadableCircuit, match="Nothing"):
        compile_qsharp("operation Main() : Unit { Nothing(); }")


def test_a_program_without_an_end_is_given_up(monkeypatch):
    pytest.importorskip("qdk", reason="the extra qsharp is not installed")
    monkeypatch.setattr("phalanx.adapters.processes._qsharp.QSHARP_WITHIN_S", 3.0)
    with pytest.raises(LimitExceeded, match="seconds"):
        compile_qsharp("operation Main() : Unit { mutable n = 0; while true { set n += 1; } }")


def test_bitcode_says_the_same_as_text():
    pyqir = pytest.importorskip("pyqir", reason="the extra qir is not installed")
    text = """%Qubit = type opaque
%Result = type opaque
define void @main() { entry:
  call void @__quantum__qis__h__body(%Qubit* null)
  call void @__quantum__qis__cnot__body(%Qubit* null, %Qubit* inttoptr (i64 1 to %Qubit*))
  call void @__quantum__qis__rz__body(double 3.000000e-01, %Qubit* inttoptr (i64 1 to %Qubit*))
  call void @__quantum__qis__mz__body(%Qubit* null, %Result* null)
  call void @__quantum__qis__mz__body(%Qubit* inttoptr (i64 1 to %Qubit*), %Result* inttoptr (i64 1 to %Result*))
  ret void
}
declare void @__quantum__qis__h__body(%Qubit*)
declare void @__quantum__qis__cnot__body(%Qubit*, %Qubit*)
declare void @__quantum__qis__rz__body(double, %Qubit*)
declare void @__quantum__qis__mz__body(%Qubit*, %Result*)
"""
    bitcode = pyqir.Module.from_ir(pyqir.Context(), text).bitcode
    assert read(bitcode) == read(text)
    assert equivalent(read(bitcode), OURS).equal
    with pytest.raises(UnreadableCircuit, match="bitcode"):
        read(b"BC\xc0\xde" + b"nonsense" * 40)
