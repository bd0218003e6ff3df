"""The functions of all saliency methods, by their names."""

from convscope.config.saliency import IMAGE_METHODS, TEXT_METHODS

IMAGE = {name: IMAGE_METHODS.builder(name) for name in IMAGE_METHODS.classes}
TEXT = {name: TEXT_METHODS.builder(name) for name in TEXT_METHODS.classes}
LAYER = {name for name, config in IMAGE_METHODS.classes.items() if config.takes_layer}
