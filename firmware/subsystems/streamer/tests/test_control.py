from __future__ import annotations

from firmware.subsystems.streamer.control import Action, StreamerControl


def control() -> StreamerControl:
    return StreamerControl(shutdown_delay_s=10.0, reset_delay_s=1.0)


def test_it_starts_at_once_and_stops_ten_seconds_after_the_last_client() -> None:
    c = control()
    assert c.poll(0) == []
    c.set_wanted(True, 1)
    assert c.poll(1) == [Action.START]
    c.set_wanted(False, 5)
    assert c.deadline == 15
    assert c.poll(14.9) == []
    assert c.poll(15) == [Action.STOP]
    assert not c.running
    assert c.deadline is None


def test_a_client_that_returns_in_time_cancels_the_stop() -> None:
    c = control()
    c.set_wanted(True, 0)
    c.poll(0)
    c.set_wanted(False, 1)
    c.set_wanted(True, 10.9)
    assert c.poll(12) == []
    assert c.running


def test_parameters_wait_for_a_quiet_second_and_restart_after_another() -> None:
    c = control()
    c.set_wanted(True, 0)
    c.poll(0)
    c.params_staged(5.0)
    c.params_staged(5.8)
    assert c.poll(6.5) == []
    assert c.poll(6.8) == [Action.STOP, Action.APPLY_PARAMS]
    assert c.deadline == 7.8
    assert c.poll(7.8) == [Action.START]


def test_parameters_of_a_stopped_streamer_are_only_applied() -> None:
    c = control()
    c.params_staged(0)
    assert c.poll(1) == [Action.APPLY_PARAMS]
    assert c.deadline is None


def test_a_streamer_about_to_stop_is_not_restarted_for_parameters() -> None:
    c = control()
    c.set_wanted(True, 0)
    c.poll(0)
    c.set_wanted(False, 1)
    c.params_staged(2)
    assert c.poll(3) == [Action.STOP, Action.APPLY_PARAMS]
    assert c.deadline is None


def test_a_reset_restarts_a_running_streamer_only() -> None:
    c = control()
    c.reset()
    assert c.poll(0) == []
    c.set_wanted(True, 1)
    c.poll(1)
    c.reset()
    assert c.poll(2) == [Action.STOP]
    assert c.poll(3) == [Action.START]


def test_a_client_that_leaves_during_the_restart_delay_ends_it_later() -> None:
    c = control()
    c.set_wanted(True, 0)
    c.poll(0)
    c.reset()
    c.poll(1)
    c.set_wanted(False, 1.5)
    assert c.poll(2) == [Action.START]
    assert c.poll(11.5) == [Action.STOP]
