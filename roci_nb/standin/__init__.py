"""The stand-in: Ollama's and LM Studio's wire on loopback, with two small models behind the documented names.

``StandIn`` in ``server`` is all that the outside needs. Ollama's side follows exchanges that were recorded from it;
LM Studio's follows its documentation and could not be compared with the program itself.
"""
