/** The account that the first start makes. */
export const defaultAccount = 'default'
