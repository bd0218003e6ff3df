"""From a name of the zoo to a text architecture."""

from typing import Any

from convscope.models.texts.architecture import TextArchitecture


def find_text_architecture(name: str, **variant: Any) -> TextArchitecture:
    """The text architecture ``name`` with its own options, such as ``depth=17`` for ``vdcnn``.

    Raises:
        UserError: An option has no such value.
        LookupError: There is no such text architecture.
    """
    match name:
        case "text_cnn":
            from convscope.models.texts.text_cnn import TextCNNArchitecture

            return TextCNNArchitecture(**variant)
        case "char_cnn":
            from convscope.models.texts.char_cnn import CharCNNArchitecture

            return CharCNNArchitecture(**variant)
        case "vdcnn":
            from convscope.models.texts.vdcnn import VDCNNArchitecture

            return VDCNNArchitecture(**variant)
        case "dilated_text_cnn":
            from convscope.models.texts.dilated_text_cnn import DilatedTextCNNArchitecture

            return DilatedTextCNNArchitecture(**variant)
        case "text_tdnn":
            from convscope.models.texts.text_tdnn import TextTDNNArchitecture

            return TextTDNNArchitecture(**variant)
    raise LookupError(f"{name}: reads no texts")
