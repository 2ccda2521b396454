/** The names of the usual design's queues. */
export const naiveQueueName = "bill-usage";
export const naiveBossSchema = "naive_boss";
