"""Hold the model.yaml of the smallest model: one number predicts another."""

MODEL_YAML = """
name: tried
owner: tests
brief: {question: is it one, decided_by: a test, error_cost: nothing}
source: {file: tried.csv}
task: regression
target: {column: y}
columns: {x: {type: number}}
split: {by: row}
candidates: {linear: {estimator: linear}}
metric: rmse
"""
