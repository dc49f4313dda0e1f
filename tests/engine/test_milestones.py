"""When an answer got how far."""

from bodega.engine.milestones import Milestones


def test_the_parts_follow_each_other() -> None:
    milestones = Milestones(submitted_s=10.0)
    assert (milestones.queue_s, milestones.prefill_s, milestones.decode_s) == (0.0, 0.0, 0.0)
    milestones.turn_came(12.0)
    milestones.token_came(15.0)
    assert (milestones.queue_s, milestones.prefill_s, milestones.decode_s) == (2.0, 3.0, 0.0)
    milestones.token_came(19.0)
    milestones.token_came(20.0)
    assert (milestones.queue_s, milestones.prefill_s, milestones.decode_s) == (2.0, 3.0, 5.0)


def test_a_second_turn_is_no_new_beginning() -> None:
    milestones = Milestones(submitted_s=0.0)
    milestones.turn_came(1.0)
    milestones.token_came(2.0)
    milestones.turn_came(5.0)
    milestones.token_came(7.0)
    assert (milestones.queue_s, milestones.prefill_s, milestones.decode_s) == (1.0, 1.0, 5.0)
