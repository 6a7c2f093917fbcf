import type { ColumnType } from "kysely";
export type Generated<T> = T extends ColumnType<infer S, infer I, infer U>
  ? ColumnType<S, I | undefined, U>
  : ColumnType<T, T | undefined, T>;
export type Timestamp = ColumnType<Date, Date | string, Date | string>;

export const UserRole = {
    STUDENT: "STUDENT",
    TEACHER: "TEACHER",
    PARENT: "PARENT",
    ADMIN: "ADMIN"
} as const;
export type UserRole = (typeof UserRole)[keyof typeof UserRole];
export const CourseLevel = {
    BEGINNER: "BEGINNER",
    INTERMEDIATE: "INTERMEDIATE",
    ADVANCED: "ADVANCED"
} as const;
export type CourseLevel = (typeof CourseLevel)[keyof typeof CourseLevel];
export const PublishStatus = {
    DRAFT: "DRAFT",
    PUBLISHED: "PUBLISHED",
    ARCHIVED: "ARCHIVED"
} as const;
export type PublishStatus = (typeof PublishStatus)[keyof typeof PublishStatus];
export const LessonType = {
    VIDEO: "VIDEO",
    READING: "READING",
    QUIZ: "QUIZ",
    EXERCISE: "EXERCISE"
} as const;
export type LessonType = (typeof LessonType)[keyof typeof LessonType];
export const EnrollmentStatus = {
    ACTIVE: "ACTIVE",
    COMPLETED: "COMPLETED",
    DROPPED: "DROPPED"
} as const;
export type EnrollmentStatus = (typeof EnrollmentStatus)[keyof typeof EnrollmentStatus];
export const ProgressStatus = {
    NOT_STARTED: "NOT_STARTED",
    IN_PROGRESS: "IN_PROGRESS",
    COMPLETED: "COMPLETED"
} as const;
export type ProgressStatus = (typeof ProgressStatus)[keyof typeof ProgressStatus];
export const SubmissionStatus = {
    SUBMITTED: "SUBMITTED",
    GRADED: "GRADED",
    RETURNED: "RETURNED"
} as const;
export type SubmissionStatus = (typeof SubmissionStatus)[keyof typeof SubmissionStatus];
export const PostVisibility = {
    PUBLIC: "PUBLIC",
    COURSE: "COURSE",
    PRIVATE: "PRIVATE"
} as const;
export type PostVisibility = (typeof PostVisibility)[keyof typeof PostVisibility];
export const GroupRole = {
    OWNER: "OWNER",
    MODERATOR: "MODERATOR",
    MEMBER: "MEMBER"
} as const;
export type GroupRole = (typeof GroupRole)[keyof typeof GroupRole];
export const NotificationType = {
    ASSIGNMENT: "ASSIGNMENT",
    GRADE: "GRADE",
    MESSAGE: "MESSAGE",
    SOCIAL: "SOCIAL",
    SYSTEM: "SYSTEM"
} as const;
export type NotificationType = (typeof NotificationType)[keyof typeof NotificationType];
export type Assignment = {
    id: string;
    courseId: string;
    title: string;
    instructions: string;
    maxPoints: Generated<number>;
    dueAt: Timestamp | null;
    createdAt: Generated<Timestamp>;
    updatedAt: Timestamp;
};
export type BehaviorLog = {
    id: string;
    userId: string;
    sessionId: string;
    eventType: string;
    actionCategory: string;
    timestamp: Generated<Timestamp>;
    duration: number | null;
    payload: unknown | null;
};
export type BuddyGroup = {
    id: string;
    name: string;
    creatorId: string;
    courseId: string | null;
    maxMembers: Generated<number>;
    isPrivate: Generated<boolean>;
    settings: unknown | null;
    createdAt: Generated<Timestamp>;
    updatedAt: Timestamp;
};
export type BuddyMember = {
    id: string;
    groupId: string;
    userId: string;
    role: Generated<GroupRole>;
    joinedAt: Generated<Timestamp>;
};
export type Certificate = {
    id: string;
    userId: string;
    courseId: string;
    serialNumber: string;
    grade: number | null;
    metadata: unknown | null;
    issuedAt: Generated<Timestamp>;
};
export type ChatMessage = {
    id: string;
    threadId: string;
    senderId: string;
    content: string;
    attachments: unknown | null;
    editedAt: Timestamp | null;
    createdAt: Generated<Timestamp>;
};
export type ChatParticipant = {
    threadId: string;
    userId: string;
    lastReadAt: Timestamp | null;
    joinedAt: Generated<Timestamp>;
};
export type ChatThread = {
    id: string;
    groupId: string | null;
    title: string | null;
    lastMessageAt: Timestamp | null;
    createdAt: Generated<Timestamp>;
    updatedAt: Timestamp;
};
export type Course = {
    id: string;
    slug: string;
    title: string;
    description: string | null;
    level: Generated<CourseLevel>;
    status: Generated<PublishStatus>;
    language: Generated<string>;
    teacherId: string;
    priceCents: Generated<number>;
    tags: string[];
    settings: unknown | null;
    createdAt: Generated<Timestamp>;
    updatedAt: Timestamp;
};
export type Enrollment = {
    id: string;
    userId: string;
    courseId: string;
    status: Generated<EnrollmentStatus>;
    progressPercent: Generated<number>;
    enrolledAt: Generated<Timestamp>;
    completedAt: Timestamp | null;
};
export type Lesson = {
    id: string;
    courseId: string;
    position: number;
    title: string;
    type: LessonType;
    content: string;
    videoUrl: string | null;
    durationMinutes: number;
    isPublished: Generated<boolean>;
    createdAt: Generated<Timestamp>;
    updatedAt: Timestamp;
};
export type Notification = {
    id: string;
    userId: string;
    type: NotificationType;
    title: string;
    body: string | null;
    data: unknown | null;
    readAt: Timestamp | null;
    createdAt: Generated<Timestamp>;
};
export type OptimizationLog = {
    id: string;
    queryText: string;
    recommendation: string;
    performanceGain: number | null;
    confidence: number;
    source: string;
    metadata: unknown | null;
    createdAt: Generated<Timestamp>;
    appliedAt: Timestamp | null;
};
export type PostComment = {
    id: string;
    postId: string;
    authorId: string;
    parentId: string | null;
    content: string;
    createdAt: Generated<Timestamp>;
    updatedAt: Timestamp;
};
export type PostLike = {
    postId: string;
    userId: string;
    createdAt: Generated<Timestamp>;
};
export type RefreshToken = {
    id: string;
    userId: string;
    tokenHash: string;
    userAgent: string | null;
    expiresAt: Timestamp;
    revokedAt: Timestamp | null;
    createdAt: Generated<Timestamp>;
};
export type SocialPost = {
    id: string;
    authorId: string;
    courseId: string | null;
    content: string;
    visibility: Generated<PostVisibility>;
    likeCount: Generated<number>;
    commentCount: Generated<number>;
    metadata: unknown | null;
    createdAt: Generated<Timestamp>;
    updatedAt: Timestamp;
};
export type Submission = {
    id: string;
    assignmentId: string;
    userId: string;
    graderId: string | null;
    content: string;
    status: Generated<SubmissionStatus>;
    points: number | null;
    submittedAt: Generated<Timestamp>;
    gradedAt: Timestamp | null;
};
export type User = {
    id: string;
    email: string;
    username: string;
    passwordHash: string;
    firstName: string;
    lastName: string;
    role: Generated<UserRole>;
    preferredLocale: Generated<string>;
    preferredLanguage: Generated<string>;
    isActive: Generated<boolean>;
    failedLoginAttempts: Generated<number>;
    lockedUntil: Timestamp | null;
    lastLoginAt: Timestamp | null;
    emailVerifiedAt: Timestamp | null;
    metadata: unknown | null;
    createdAt: Generated<Timestamp>;
    updatedAt: Timestamp;
};
export type UserProgress = {
    id: string;
    userId: string;
    lessonId: string;
    status: Generated<ProgressStatus>;
    score: number | null;
    timeSpentSeconds: Generated<number>;
    lastAccessedAt: Timestamp;
    completedAt: Timestamp | null;
    createdAt: Generated<Timestamp>;
    updatedAt: Timestamp;
};
export type DB = {
    Assignment: Assignment;
    BehaviorLog: BehaviorLog;
    BuddyGroup: BuddyGroup;
    BuddyMember: BuddyMember;
    Certificate: Certificate;
    ChatMessage: ChatMessage;
    ChatParticipant: ChatParticipant;
    ChatThread: ChatThread;
    Course: Course;
    Enrollment: Enrollment;
    Lesson: Lesson;
    Notification: Notification;
    OptimizationLog: OptimizationLog;
    PostComment: PostComment;
    PostLike: PostLike;
    RefreshToken: RefreshToken;
    SocialPost: SocialPost;
    Submission: Submission;
    User: User;
    UserProgress: UserProgress;
};
