"""The room of BentoML and ONNX Runtime: model folders, predictors, the HTTP service and its package."""
