"""How many tokens each text network sees, as its paper has it."""

import pytest
from architectures import find_architecture

from convscope.insight import network_field, receptive_fields, weightless

FIELDS = [
    ("text_cnn", {}, 5),  # Kim 2014, section 3.1: windows of 3, 4 and 5 words
    ("text_cnn", {"windows": (2, 7)}, 7),
    ("text_tdnn", {}, 7),  # Waibel et al. 1989: 3 frames, and 5 of what sees them
    ("dilated_text_cnn", {"layers": 5}, 65),  # Yu & Koltun 2016: 2^(layers + 1) + 1
    ("dilated_text_cnn", {"layers": 3}, 17),
    # Zhang et al. 2015, table 1: 7, pool 3, 7, pool 3, 3, 3, 3, 3, pool 3
    ("char_cnn", {}, 7 + 2 + 3 * 6 + 3 * 2 + 9 * (4 * 2) + 9 * 2),
    # Conneau et al. 2017, figure 1, depth 9: a convolution and four levels of two, which see twice as far each time
    ("vdcnn", {}, 3 + 4 * (1 + 2 + 4 + 8) + 2 * (1 + 2 + 4)),
]


@pytest.mark.parametrize(("name", "options", "tokens"), FIELDS, ids=str)
def test_fields_in_tokens(name, options, tokens):
    architecture = find_architecture(name, **options)
    with weightless():
        network = architecture.build(2, 100)
    shape = (1, max(80, architecture.preprocessing().min_length))
    assert network_field(receptive_fields(network, shape)).field.size == (tokens,)
