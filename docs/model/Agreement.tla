------------------------------ MODULE Agreement ------------------------------
(***************************************************************************)
(* The safety core of src/phalanx/consensus/_machine.py: voting in two      *)
(* phases, leaving a view with a claim, and what justifies a proposal.      *)
(* Messages are left out: whatever was signed can be shown to anybody, at   *)
(* any time or never, so a step is possible as soon as votes for it exist.  *)
(* Traitors have no state: they have voted for everything and claim         *)
(* nothing, which is what helps them most; F of them count in any quorum.   *)
(* Leaders are left out too: any justified proposal may be made, by anyone, *)
(* and several in one view, as an equivocating leader does.                 *)
(*                                                                          *)
(* Check it:  java -cp tla2tools.jar tlc2.TLC -deadlock Agreement.tla       *)
(***************************************************************************)
EXTENDS Naturals, FiniteSets, TLC

CONSTANTS Honest, F, Q, LastView, Options

Views == 1..LastView
None == 0                      \* no certificate is known
NotLeft == LastView + 1        \* the view was not left, or without a word

VARIABLES
    view,       \* the view each honest participant is in
    prepared,   \* its prepare votes: set of <<view, option>>
    committed,  \* its commit votes
    high,       \* the view of the highest prepare certificate it knows
    left        \* for each view, what it claimed when it left it

vars == <<view, prepared, committed, high, left>>

Max(a, b) == IF a > b THEN a ELSE b

Certified(votes, v, x) == Cardinality({p \in Honest : <<v, x>> \in votes[p]}) + F >= Q
Prepared(v, x) == Certified(prepared, v, x)
Decided(v, x) == Certified(committed, v, x)

\* A quorum left the view before; the proposal is for the option of a certificate at least as high as
\* any of them claimed, or, if none claimed any, for any option (narrowing only takes options away).
Justified(v, x) == IF v = 1 THEN TRUE ELSE
    \E S \in SUBSET Honest :
        /\ Cardinality(S) + F >= Q
        /\ \A p \in S : left[p][v - 1] # NotLeft
        /\ LET claimed == CHOOSE m \in {left[p][v - 1] : p \in S} \cup {None} :
                            \A p \in S : left[p][v - 1] <= m
           IN  \/ claimed = None
               \/ \E u \in 1..(v - 1) : u >= claimed /\ Prepared(u, x)

Init ==
    /\ view = [p \in Honest |-> 1]
    /\ prepared = [p \in Honest |-> {}]
    /\ committed = [p \in Honest |-> {}]
    /\ high = [p \in Honest |-> None]
    /\ left = [p \in Honest |-> [v \in Views |-> NotLeft]]

\* I1, I2, I3. A justified proposal of a later view takes the participant there.
Prepare(p, v, x) ==
    /\ v >= view[p]
    /\ \A y \in Options : <<v, y>> \notin prepared[p]
    /\ Justified(v, x)
    /\ prepared' = [prepared EXCEPT ![p] = @ \cup {<<v, x>>}]
    /\ view' = [view EXCEPT ![p] = v]
    /\ UNCHANGED <<committed, high, left>>

\* I4. With the certificate in hand, which is then known.
Commit(p, v, x) ==
    /\ v >= view[p]
    /\ \A y \in Options : <<v, y>> \notin committed[p]
    /\ Prepared(v, x)
    /\ committed' = [committed EXCEPT ![p] = @ \cup {<<v, x>>}]
    /\ high' = [high EXCEPT ![p] = Max(@, v)]
    /\ view' = [view EXCEPT ![p] = v]
    /\ UNCHANGED <<prepared, left>>

\* A certificate is shown to a participant, late or not.
Learn(p, v, x) ==
    /\ v > high[p]
    /\ Prepared(v, x)
    /\ high' = [high EXCEPT ![p] = v]
    /\ UNCHANGED <<view, prepared, committed, left>>

Leave(p) ==
    /\ view[p] < LastView
    /\ left' = [left EXCEPT ![p][view[p]] = high[p]]
    /\ view' = [view EXCEPT ![p] = @ + 1]
    /\ UNCHANGED <<prepared, committed, high>>

Next == \E p \in Honest :
    \/ Leave(p)
    \/ \E v \in Views, x \in Options : Prepare(p, v, x) \/ Commit(p, v, x) \/ Learn(p, v, x)

Symmetry == Permutations(Honest) \cup Permutations(Options)

Spec == Init /\ [][Next]_vars

Agreement == \A v, w \in Views, x, y \in Options : Decided(v, x) /\ Decided(w, y) => x = y
OneCertificateAView == \A v \in Views, x, y \in Options : Prepared(v, x) /\ Prepared(v, y) => x = y
\* What the proof rests on: once decided, no later view certifies anything else.
Locked == \A v, w \in Views, x, y \in Options : Decided(v, x) /\ w >= v /\ Prepared(w, y) => x = y
==============================================================================
