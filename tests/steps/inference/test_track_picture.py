"""The picture of predicted tracks: places of the points, names, long recordings."""

import re
from xml.etree import ElementTree

from steps.inference.picture import LEFT, WIDTH
from steps.inference.track_picture import MOST, thinned, track_timeline

SVG = "{http://www.w3.org/2000/svg}"


def test_each_target_has_a_curve_with_a_point_in_the_middle_of_each_value():
    record = {
        "file": "<a>.wav",
        "seconds": 2.0,
        "tracks": {
            "arousal": {"step": 0.5, "values": [0.0, 1.0, 0.5, 0.25]},
            "valence": {"step": 1.0, "values": [3.0, -1.0]},
        },
    }
    page = ElementTree.fromstring(track_timeline(record))
    lines = page.findall(f"{SVG}polyline")
    points = [
        [tuple(map(float, point.split(","))) for point in line.get("points").split()]
        for line in lines
    ]
    assert [x for x, _ in points[0]] == [
        LEFT + WIDTH * share for share in (0.125, 0.375, 0.625, 0.875)
    ]
    heights = [y for _, y in points[0]]
    assert heights[1] < heights[2] < heights[3] < heights[0]  # up is more
    assert [x for x, _ in points[1]] == [LEFT + WIDTH * 0.25, LEFT + WIDTH * 0.75]
    words = [text.text for text in page.iter(f"{SVG}text")]
    assert "<a>.wav" in words and {"arousal", "valence", "seconds", "0.5"} <= set(words)


def test_many_values_are_averaged_to_what_there_is_room_for():
    values, step = thinned([float(number % 4) for number in range(4 * MOST)], 0.1)
    assert values == [1.5] * MOST and step == 0.4
    text = track_timeline(
        {
            "file": "a",
            "seconds": 0.4 * MOST,
            "tracks": {"arousal": {"step": 0.1, "values": [1.0] * 4 * MOST}},
        }
    )
    assert len(re.findall(r"\d,\d", text)) == MOST
