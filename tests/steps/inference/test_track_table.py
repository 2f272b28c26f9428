"""Predicted tracks as a table: a line a value, one column a target."""

from steps.inference.output import TrackTable


def test_a_line_a_value_with_its_time_and_one_line_for_what_cannot_be_read():
    table = TrackTable(["arousal", "valence"])
    record = {
        "file": "=a.wav",
        "seconds": 0.5,
        "notes": ["digital silence"],
        "tracks": {
            "arousal": {"step": 0.25, "values": [0.5, -1.0]},
            "valence": {"step": 0.25, "values": [2.0, 3.0]},
        },
    }
    lines = "".join(
        [*table.pieces(record), *table.pieces({"file": "b", "error": "no audio"})]
    ).split("\n")
    assert lines == [
        "file\tstart\tend\tarousal\tvalence\tnotes\terror",
        "'=a.wav\t0\t0.25\t0.500000\t2.000000\tdigital silence\t",
        "'=a.wav\t0.25\t0.5\t-1.000000\t3.000000\tdigital silence\t",
        "b\t\t\t\t\t\tno audio",
        "",
    ]
