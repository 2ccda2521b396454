/** What the usual design's queues are called, by all who use them. */
export const naiveQueueName = "bill-usage";
export const naiveBossSchema = "naive_boss";
